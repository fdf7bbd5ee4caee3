"""Figures for Prometheus: how much was asked, how it ended, how long it took. No id of anybody is a label.

With several workers the figures lie in a folder that `serve.run` makes (`PROMETHEUS_MULTIPROC_DIR`), and any
worker answers for all of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from riskmodel.domain import PublishedSet
from riskmodel.store.tables import day_of

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The figures of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "riskmodel_requests", "Requests answered", ["route", "method", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "riskmodel_request_seconds", "From the head of a request to the end of its answer", ["route"],
            buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip

    def count(self, route: str | None, method: str, status: int, seconds: float) -> None:
        """Count a request; `route` is the template, never the path."""
        requests, durations = self._of(route or "unknown", method if method in _METHODS else "other", status)
        requests.inc()
        durations.observe(seconds)

    @lru_cache(maxsize=4_096)  # noqa: B019  one application, as long as the process: labels are found but once
    def _of(self, route: str, method: str, status: int) -> tuple[Counter, Histogram]:
        return self._requests.labels(route, method, str(status)), self._seconds.labels(route)

    def text(self, published: PublishedSet | None, *, now: datetime) -> bytes:
        """Write all figures, of all workers, as Prometheus reads them."""
        registry = CollectorRegistry() if "PROMETHEUS_MULTIPROC_DIR" in os.environ else self._registry
        if registry is not self._registry:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        of_set = CollectorRegistry()
        of_set.register(_OfSet(published, now))
        return generate_latest(registry) + generate_latest(of_set)


class _OfSet:
    """How old what is published is, so that a term that was forgotten raises an alarm."""

    def __init__(self, published: PublishedSet | None, now: datetime) -> None:
        self._published, self._now = published, now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found = self._published
        yield GaugeMetricFamily("riskmodel_published", "1: a set is published", value=found is not None)
        if found is None:
            return
        age = (self._now - found.published_at).total_seconds()
        yield GaugeMetricFamily("riskmodel_published_age_seconds", "Since the publishing", value=age)
        left = (found.facts.valid_until - day_of(self._now)).days
        yield GaugeMetricFamily("riskmodel_published_days_left", "Until it is no longer valid", value=left)
