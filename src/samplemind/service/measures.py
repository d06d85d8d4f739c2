"""What the service counts, for Prometheus. No label is ever a name, a key or an id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from samplemind.metrics import CacheCollector

_LATENCIES_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


class Measures:
    """Counters of one service, and what is asked of its parts whenever they are read."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "samplemind_requests", "Requests answered.", ["route", "method", "status"], registry=self.registry
        )
        self.latency = Histogram(
            "samplemind_request_seconds",
            "Time to the end of the answer.",
            ["route"],
            buckets=_LATENCIES_S,
            registry=self.registry,
        )
        self.bytes_in = Counter("samplemind_received_bytes", "Bytes of bodies received.", registry=self.registry)
        self.bytes_out = Counter("samplemind_sent_bytes", "Bytes of bodies sent.", registry=self.registry)
        self.uploads = Counter("samplemind_uploads", "Files taken in.", registry=self.registry)
        self.uploaded_bytes = Counter("samplemind_uploaded_bytes", "Their bytes.", registry=self.registry)

    def observe(self, route: str, method: str, status: int, seconds: float, bytes_in: int, bytes_out: int) -> None:
        """Count a request."""
        self.requests.labels(route, method, str(status)).inc()
        self.latency.labels(route).observe(seconds)
        self.bytes_in.inc(bytes_in)
        self.bytes_out.inc(bytes_out)

    def count_upload(self, size: int) -> None:
        """Count a file of so many bytes that was taken in."""
        self.uploads.inc()
        self.uploaded_bytes.inc(size)

    def watch_cache(self, stats: Callable[[], Any]) -> None:
        """Have the cache's counts among them."""
        self.registry.register(CacheCollector(stats))

    def watch_jobs(
        self,
        states: Callable[[], Mapping[str, int]],
        counted: Callable[[], Mapping[str, float]],
        node_seconds: Callable[[], Mapping[str, float]],
    ) -> None:
        """Have jobs by their state among them, what the runner counts, and where analyses spend their time."""
        self.registry.register(_Jobs(states, counted, node_seconds))

    def exposition(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self.registry)


class _Jobs(Collector):
    def __init__(
        self,
        states: Callable[[], Mapping[str, int]],
        counted: Callable[[], Mapping[str, float]],
        node_seconds: Callable[[], Mapping[str, float]],
    ) -> None:
        self._states = states
        self._counted = counted
        self._node_seconds = node_seconds

    def describe(self) -> Iterator[Any]:
        """Nothing that would have to be read at once."""
        return iter(())

    def collect(self) -> Iterator[Any]:
        """Gauges and counters with their values of now."""
        states = self._states()
        jobs = GaugeMetricFamily("samplemind_jobs", "Jobs by state.", labels=["state"])
        for state, count in states.items():
            jobs.add_metric([state], count)
        yield jobs
        yield GaugeMetricFamily("samplemind_queue_depth", "Jobs that wait.", value=states.get("queued", 0))
        nodes = CounterMetricFamily("samplemind_node_seconds", "Time that analyses spent in a node.", labels=["node"])
        for node, seconds in self._node_seconds().items():
            nodes.add_metric([node], seconds)
        yield nodes
        for name, value in self._counted().items():
            yield CounterMetricFamily(f"samplemind_{name}", name.replace("_", " ").capitalize() + ".", value=value)
