"""Logs are one line each on standard error: JSON for machines, or plain for people."""

from typing import Any

import environ

env = environ.Env()

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
#: `json` or `line`.
LOG_FORMAT = env.str("LOG_FORMAT", default="json")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"context": {"()": "apps.core.context.ContextFilter"}},
    "formatters": {
        "line": {
            "format": "{asctime} {levelname} {name} {message} {context}",
            "style": "{",
        },
        "json": {"()": "apps.core.logs.JsonFormatter"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "filters": ["context"],
        }
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    # The SDK says two lines a call at INFO; what its errors mean is in our own lines.
    # A collector that is away is said once a batch, not once a try.
    "loggers": {"stripe": {"level": "WARNING"}, "opentelemetry": {"level": "ERROR"}},
}
