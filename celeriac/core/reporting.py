"""Reporting errors to Sentry, or to what speaks its protocol; nothing where SENTRY_DSN is unset.

What leaves is the error, its traceback without the values of variables, and the ids that join
it with the logs: no argument of a job, no body of a request, no person, and of what a kind
declares secret (`redact=`) nothing in any text.
"""

from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from celeriac.core import context
from celeriac.settings import conf


def start_reporting() -> None:
    """Begin reporting, where a DSN is set."""
    if not conf.SENTRY_DSN:
        return
    import sentry_sdk  # not loaded where nothing is reported

    sentry_sdk.init(
        dsn=conf.SENTRY_DSN,
        environment=conf.SENTRY_ENVIRONMENT,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        traces_sample_rate=0.0,
        max_breadcrumbs=0,  # lines of one job would travel with the next one's error
        before_send=_masked,
    )


def report_error(
    error: BaseException, *, level: str, redact: Callable[[str], str], tags: dict[str, str]
) -> None:
    """Report an error that was handled, with tags to find it by; `redact` redacts its text."""
    if conf.SENTRY_DSN:
        copy_context().run(_report, error, level, redact, tags)


def _report(
    error: BaseException, level: str, redact: Callable[[str], str], tags: dict[str, str]
) -> None:
    import sentry_sdk  # see start

    context.redact_with(redact)
    with sentry_sdk.new_scope() as scope:
        scope.set_level(level)  # type: ignore[arg-type] # one of Sentry's words
        scope.set_tags(tags)
        sentry_sdk.capture_exception(error)


def _masked(event: Any, hint: Any) -> Any:
    """Redact what is secret where the event was made."""
    return _walk(event)


def _walk(value: Any) -> Any:
    if isinstance(value, str):
        return context.redacted_text(value)
    if isinstance(value, dict):
        return {name: _walk(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_walk(item) for item in value]
    return value
