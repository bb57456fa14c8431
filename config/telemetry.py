"""Traces and error reports of this platform, begun where the environment says whereto.

The library uses whatever a project has initialised, and initialises nothing itself.
"""

from django.conf import settings

from celeriac import redact_event


def start_telemetry() -> None:
    """Begin what is asked for; of what is not nothing is loaded."""
    if settings.SENTRY_DSN:
        _report_errors()
    if endpoint := settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        from config.tracing import trace_to  # loads the SDK

        trace_to(endpoint)


def _report_errors() -> None:
    """Neither arguments of jobs leave, nor bodies of requests, nor persons."""
    import sentry_sdk  # see above

    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        environment=settings.SENTRY_ENVIRONMENT,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        traces_sample_rate=0.0,
        max_breadcrumbs=0,  # lines of one job would travel with the next one's error
        before_send=redact_event,
    )
