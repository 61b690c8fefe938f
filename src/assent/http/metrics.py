"""Counters for an operator, served on the admin listener alone.

A label is a route's template, a method, a status, a pool's name: never a path as it was asked for, an
identifier, a purpose or a controller. What is counted says how the service does, not whom it serves.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_asgi_app

from assent.database.pool import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from assent.audiences.live import Progress
    from assent.http.wiring import Service  # which holds the counters

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The counters of one service."""

    def __init__(self, database: Database) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._answers = Counter(
            "assent_answers",
            "Answers, by route and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "assent_answer_seconds",
            "From the request to the beginning of its answer.",
            ("method", "route"),
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        connections = Gauge(
            "assent_connections", "Connections to the database.", ("pool", "state"), registry=self.registry
        )
        for name in ("writer", "reader", "auditor", "eraser"):
            pool = getattr(database, name)
            connections.labels(name, "open").set_function(pool.get_size)
            connections.labels(name, "idle").set_function(pool.get_idle_size)

        self._deleted = Counter(
            "assent_deleted",
            "What time deleted: lapsed closings, content outlived and retained no longer, message keys.",
            ("kind",),
            registry=self.registry,
        )

    def follow_loads(self, loads: Callable[[], Iterable[Progress]]) -> None:
        """Tell how far populations are that are being loaded; nothing is told of any one of them."""
        gauge = Gauge(
            "assent_identifiers_loading",
            "Identifiers of the populations under way into memory: loaded so far, and to be loaded in all.",
            ("state",),
            registry=self.registry,
        )
        gauge.labels("loaded").set_function(lambda: sum(one.loaded for one in loads()))
        gauge.labels("all").set_function(lambda: sum(one.of for one in loads()))

    def deleted(self, kind: str, number: int) -> None:
        """Count what was deleted in time."""
        self._deleted.labels(kind).inc(number)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._answers.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)


def counting(app: ASGIApp) -> ASGIApp:
    """Count what `app` answers."""

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        began = perf_counter()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                service: Service = scope["litestar_app"].state["service"]
                service.metrics.answered(
                    str(scope.get("method")),
                    scope["path_template"],
                    message["status"],
                    perf_counter() - began,
                )
            await send(message)

        await app(scope, receive, sending)

    return answering


def metrics_app(service: Service) -> ASGIApp:
    """Return what the admin listener serves: the counters in Prometheus' text format, at every path."""
    return make_asgi_app(service.metrics.registry)
