"""One trace from a request through enqueue and run to the provider's call (OpenTelemetry).

Nothing of it is loaded or done while OTEL_EXPORTER_OTLP_ENDPOINT is unset. The SDK starts with
a process' first span, so that no thread of it stands in a parent that forks. The environment's
OTEL_ variables for sampling, service name, headers and limits mean what they always do.
"""

import os
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from celeriac.core import context
from celeriac.core.environment import env
from celeriac.settings import conf

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

NOTHING: AbstractContextManager[None] = nullcontext()
#: Milliseconds that an ended span may wait to be sent.
_DELAY = 1_000

_lock = threading.Lock()
_provider: "TracerProvider | None" = None


def is_on() -> bool:
    """Return whether anything is traced."""
    return bool(conf.OTEL_EXPORTER_OTLP_ENDPOINT)


def span(
    name: str,
    kind: str = "internal",
    *,
    parent: str | None = None,
    expected: tuple[type[BaseException], ...] = (),
    redact: Callable[[str], str] = context.redacted_text,
    **attributes: Any,
) -> AbstractContextManager["Span | None"]:
    """Return a block that is one span, yielding it; or None where nothing is traced.

    `kind` is internal, server, client, producer or consumer; `parent` a W3C traceparent from
    elsewhere. An error makes the span a failure unless it is `expected`; `redact` redacts its text.
    A double underscore in the name of an attribute stands for a dot.
    """
    if not conf.OTEL_EXPORTER_OTLP_ENDPOINT:
        return NOTHING
    return _span(name, kind, parent, (expected, redact), attributes)


def traceparent() -> str | None:
    """Return the current span as a W3C traceparent, None where there is none."""
    if not conf.OTEL_EXPORTER_OTLP_ENDPOINT:
        return None
    from opentelemetry import trace  # not loaded where nothing is traced

    found = trace.get_current_span().get_span_context()
    if not found.is_valid:
        return None
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"


def trace_id() -> str:
    """Return the current trace's id in hexadecimal, or ''."""
    found = traceparent()
    return found.split("-")[1] if found else ""


def with_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return the headers of an outgoing call, with the current span's."""
    found = traceparent()
    return {**(headers or {}), **({"traceparent": found} if found else {})}


def flush() -> None:
    """Send what ended, within two seconds: for processes that end without a goodbye."""
    if _provider is not None:
        _provider.force_flush(2_000)


@contextmanager
def _span(
    name: str,
    kind: str,
    parent: str | None,
    errors: tuple[tuple[type[BaseException], ...], Callable[[str], str]],
    attributes: dict[str, Any],
) -> Iterator["Span"]:
    from opentelemetry.trace import SpanKind, Status, StatusCode

    with _tracer().start_as_current_span(
        name,
        context=_remote(parent),
        kind=SpanKind[kind.upper()],
        attributes={key.replace("__", "."): value for key, value in attributes.items()},
        record_exception=False,
        set_status_on_exception=False,
    ) as found:
        try:
            yield found
        except BaseException as error:
            expected, redact = errors
            if not isinstance(error, expected):
                found.add_event("exception", _facts(error, redact))
                found.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def _facts(error: BaseException, redact: Callable[[str], str]) -> dict[str, str]:
    text = "".join(traceback.format_exception(error))
    return {
        "exception.type": type(error).__qualname__,
        "exception.message": redact(str(error)),
        "exception.stacktrace": redact(text)[:16_000],
    }


def _remote(parent: str | None) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None


def _tracer() -> Any:
    global _provider
    with _lock:
        if _provider is None:
            _provider = _make_provider(conf.OTEL_EXPORTER_OTLP_ENDPOINT)
        return _provider.get_tracer("celeriac")


def _make_provider(endpoint: str) -> "TracerProvider":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = env.str("OTEL_SERVICE_NAME", default="celeriac")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=_DELAY))
    return provider


def _forget() -> None:
    """A fork starts its own: a lock may have been held at that moment."""
    global _lock, _provider
    _lock, _provider = threading.Lock(), None


os.register_at_fork(after_in_child=_forget)
