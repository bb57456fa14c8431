"""One trace from a request through enqueue and run to the provider's call (OpenTelemetry).

The spans are those of the project's own tracer provider, which it sets up as its SDK's manual says;
where it has set none, nothing of OpenTelemetry is loaded or done.
"""

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from celeriac.core import context

if TYPE_CHECKING:
    from opentelemetry.trace import Span

NOTHING: AbstractContextManager[None] = nullcontext()
#: Milliseconds that a process which ends waits for its spans to be sent.
_PATIENCE = 2_000


def is_on() -> bool:
    """Return whether anything is traced."""
    return _provider() is not None


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
    if not is_on():
        return NOTHING
    return _span(name, kind, parent, (expected, redact), attributes)


def traceparent() -> str | None:
    """Return the current span as a W3C traceparent, None where there is none."""
    if not is_on():
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
    if (send := getattr(_provider(), "force_flush", None)) is not None:
        with suppress(Exception):  # of whoever made it: the process ends all the same
            send(_PATIENCE)


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
    provider: Any = _provider()
    return provider.get_tracer("celeriac")


def _provider() -> object | None:
    """Return what the project has set; whoever sets one has imported the API."""
    api: Any = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    found: object = api.get_tracer_provider()
    return None if isinstance(found, api.ProxyTracerProvider) else found
