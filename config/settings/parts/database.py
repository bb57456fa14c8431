"""PostgreSQL holds the ledger; the cache is Redis or Valkey."""

from typing import Any

import environ

env = environ.Env()

DATABASE_URL = env.str("DATABASE_URL", default="postgres://localhost/celeriac")
DATABASES: dict[str, dict[str, Any]] = {"default": environ.Env.db_url_config(DATABASE_URL)}
DATABASES["default"] |= {
    "ENGINE": "django.db.backends.postgresql",
    "CONN_MAX_AGE": 600,
    "CONN_HEALTH_CHECKS": True,
}
# A server that went without a word (its host died, a firewall drops what is sent) is given
# up after half a minute instead of the system's quarter of an hour. What the URL says wins.
_PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
DATABASES["default"]["OPTIONS"] = {
    **_PATIENCE,
    **DATABASES["default"].get("OPTIONS", {}),
    "application_name": "celeriac",
    # The ledger's hot statements are prepared. Switch it off behind a
    # pooler that knows no prepared statements (PgBouncer before 1.21).
    "prepare_threshold": 0 if env.bool("DATABASE_PREPARED", default=True) else None,
}

CACHE_URL = env.str("CACHE_URL", default="redis://localhost:6379/1")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CACHE_URL,
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
    }
}
