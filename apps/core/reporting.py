"""Reporting errors to Sentry, or to what speaks its protocol; nothing where SENTRY_DSN is unset.

What leaves is the error, its traceback without the values of variables, and the ids that join
it with the logs: no argument of a job, no body of a request, no person.
"""

from django.conf import settings


def start() -> None:
    """Begin reporting, where a DSN is set."""
    if not settings.SENTRY_DSN:
        return
    import sentry_sdk  # not loaded where nothing is reported

    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        environment=settings.SENTRY_ENVIRONMENT,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        traces_sample_rate=0.0,
    )


def report(error: BaseException, *, level: str = "error", **tags: str) -> None:
    """Report an error that was handled, with tags to find it by."""
    if not settings.SENTRY_DSN:
        return
    import sentry_sdk  # see start

    with sentry_sdk.new_scope() as scope:
        scope.set_level(level)  # type: ignore[arg-type] # one of Sentry's words
        scope.set_tags(tags)
        sentry_sdk.capture_exception(error)
