"""PostgreSQL holds the ledger; the cache is Redis or Valkey."""

from typing import Any

from celeriac.core.environment import env
from config.settings.parts.postgres import database_settings

DATABASE_URL = env.str("DATABASE_URL", default="postgres://localhost/celeriac")
DATABASES: dict[str, dict[str, Any]] = {
    "default": database_settings(DATABASE_URL, prepared=env.bool("DATABASE_PREPARED", default=True))
}

CACHE_URL = env.str("CACHE_URL", default="redis://localhost:6379/1")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": [CACHE_URL],  # as text it would be split at ; and ,
        "OPTIONS": {
            "pool_class": "celeriac.core.broker.Pool",
            "socket_timeout": 2,
            "socket_connect_timeout": 2,
        },
    }
}
