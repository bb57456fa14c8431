"""The HTTP API."""

from typing import Any

from redis.backoff import NoBackoff
from redis.retry import Retry

from celeriac.core.environment import env
from config.settings.parts.database import CACHE_URL, CACHES

# here only:
#: Webhooks a minute from one address; their providers send an outage's events in one burst.
WEBHOOK_CALLS_PER_MINUTE = env.int("WEBHOOK_CALLS_PER_MINUTE", default=6000)
# to here

#: The throttle's own, which waits for nobody: a cache that is away must not hold calls up.
CACHES["api"] = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": [CACHE_URL],  # as text it would be split at ; and ,
    "KEY_PREFIX": "api",
    "OPTIONS": {
        "pool_class": "celeriac.core.broker.Pool",
        "socket_timeout": 0.1,
        "socket_connect_timeout": 0.1,
        "retry": Retry(NoBackoff(), 0),
    },
}

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["celeriac.http.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["celeriac.http.parsing.StrictJSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["celeriac.http.throttling.Throttle"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "celeriac.http.problems.handle_error",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
    # Answers hold what people wrote; text outside ASCII is escaped, so that nothing can break it.
    "UNICODE_JSON": False,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Celeriac",
    "DESCRIPTION": "Jobs over HTTP. Each call may name itself in `X-Correlation-ID` (letters, "
    "digits, `.`, `_`, `-`, at most 64); the answer, the log and the job bear it. Errors are "
    "`application/problem+json`.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
