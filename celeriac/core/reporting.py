"""Reporting errors to Sentry, by the project's own SDK; nothing where it has initialised none.

What leaves of a run that failed is the error, its traceback and the ids that join it with the logs;
of what a kind declares secret (`redact=`) nothing in any text.
"""

import sys
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from celeriac.core import context


def report_error(
    error: BaseException, *, level: str, redact: Callable[[str], str], tags: dict[str, str]
) -> None:
    """Report an error that was handled, with tags to find it by; `redact` redacts its text."""
    sdk: Any = sys.modules.get("sentry_sdk")  # whoever initialises it has imported it
    if sdk is not None and hasattr(sdk, "get_client") and sdk.get_client().is_active():
        copy_context().run(_report, sdk, error, level, redact, tags)


def redact_event(event: Any, hint: Any) -> Any:
    """Redact what is secret where an event was made: for the SDK's `before_send`.

    So nothing secret is in what a handler logs, either; what `report_error` reports needs it not.
    """
    return _walk(event)


def _report(
    sdk: Any, error: BaseException, level: str, redact: Callable[[str], str], tags: dict[str, str]
) -> None:
    context.redact_with(redact)
    with sdk.new_scope() as scope:
        scope.set_level(level)
        scope.set_tags(tags)
        scope.add_event_processor(redact_event)
        sdk.capture_exception(error)


def _walk(value: Any) -> Any:
    if isinstance(value, str):
        return context.redacted_text(value)
    if isinstance(value, dict):
        return {name: _walk(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_walk(item) for item in value]
    return value
