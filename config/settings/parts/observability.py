"""What the platform tells machines: metrics, traces, errors."""

from celeriac.core.environment import env

#: The bearer token of /metrics. Without one it answers in development only.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
#: Whether processes that count have a thread that publishes, and how often (seconds).
METRICS_PUBLISH = env.bool("METRICS_PUBLISH", default=True)
METRICS_PUBLISH_SECONDS = env.float("METRICS_PUBLISH_SECONDS", default=5.0)
#: Where traces go (OTLP over HTTP); without it nothing is traced.
OTEL_EXPORTER_OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="")
#: Where errors are reported; without it nowhere.
SENTRY_DSN = env.str("SENTRY_DSN", default="")
SENTRY_ENVIRONMENT = env.str("SENTRY_ENVIRONMENT", default="production")
