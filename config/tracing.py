"""This platform's tracer provider: spans go to a collector by OTLP over HTTP.

The SDK starts with a process' first span, so that no thread of it stands in a parent that forks.
The environment's OTEL_ variables for sampling, headers and limits mean what they always do.
"""

import os
import threading
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from celeriac.core.environment import env

#: Milliseconds that an ended span may wait to be sent.
_DELAY = 1_000


class LateProvider(trace.TracerProvider):
    """Makes the SDK's provider when a tracer is asked for, in each process its own."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._made: TracerProvider | None = None
        # A lock may have been held at that moment, and a thread does not come along.
        os.register_at_fork(after_in_child=self._forget)

    def get_tracer(self, *args: Any, **options: Any) -> trace.Tracer:
        """Return a tracer of this process."""
        with self._lock:
            if self._made is None:
                self._made = _make_provider(self._endpoint)
            return self._made.get_tracer(*args, **options)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what ended, within so many milliseconds; return whether all was sent."""
        return self._made is None or self._made.force_flush(timeout_millis)

    def _forget(self) -> None:
        self._lock, self._made = threading.Lock(), None


def trace_to(endpoint: str) -> None:
    """Let this process, and those forked from it, send their spans there."""
    trace.set_tracer_provider(LateProvider(endpoint))


def _make_provider(endpoint: str) -> TracerProvider:
    name = env.str("OTEL_SERVICE_NAME", default="celeriac")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=_DELAY))
    return provider
