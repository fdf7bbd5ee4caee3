"""Which model made what schools read."""

from __future__ import annotations

from riskmodel.errors import StoreError
from riskmodel.pipelines.run import Run
from riskmodel.store.engine import Store, open_store
from riskmodel.store.reading import current_set


def model_in_use(run: Run, store: Store | None = None) -> str | None:
    """Return the version of the model behind the current set; None where nothing was published."""
    try:
        return current_set(store or open_store(run.workspace.store)).facts.model_version
    except StoreError as error:
        if error.code not in ("nothing_published", "store_absent"):
            raise
        return None
