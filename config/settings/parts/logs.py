"""Logs are one line each on standard error: JSON for machines, or plain for people."""

import logging
from typing import Any

from celeriac.core.environment import env

LOG_LEVEL = env.word("LOG_LEVEL", logging.getLevelNamesMapping(), default="INFO")
LOG_FORMATS = ("json", "line")
LOG_FORMAT = env.word("LOG_FORMAT", LOG_FORMATS, default="json")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"context": {"()": "celeriac.core.context.ContextFilter"}},
    "formatters": {
        "line": {
            "()": "celeriac.core.logs.LineFormatter",
            "fmt": "{asctime} {levelname} {name} {message} {context}",
            "style": "{",
        },
        "json": {"()": "celeriac.core.logs.JsonFormatter"},
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
    # Who signs in, or fails to, is in our own lines; axes' repeat whatever was typed.
    "loggers": {
        "stripe": {"level": "WARNING"},  # here only
        "opentelemetry": {"level": "ERROR"},
        "axes": {"level": "ERROR"},
    },
}
