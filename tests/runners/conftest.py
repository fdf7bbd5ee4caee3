"""A cluster of two worker processes on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import dask
import pytest
from distributed import LocalCluster


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a scheduler and two worker processes, each with a nanny that starts it again."""
    told = {"dashboard_address": "127.0.0.1:0", "local_directory": str(tmp_path_factory.mktemp("dask"))}
    # A LocalCluster gives up a killed worker that its nanny has not started again after 15 s; a machine
    # that does other things as well needs longer, and the worker is missing in all later tests.
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "5 minutes"}),
        LocalCluster(n_workers=2, threads_per_worker=1, **told) as made,
    ):
        yield made.scheduler_address
