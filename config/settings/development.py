"""A laptop, and nothing else: DEBUG, and a key that everybody knows."""

from config.settings.base import *  # noqa: F403 a settings module is the base and its changes
from config.settings.base import DATABASES, LOG_FORMATS, LOGGING, env
from config.settings.parts.postgres import check_local

check_local(DATABASES["default"])

DEBUG = env.bool("DEBUG", default=True)
SECRET_KEY = env.str("SECRET_KEY", default="development-only-not-a-secret-0123456789-abcdefghijkl")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
PUBLIC_URL = env.str("PUBLIC_URL", default=f"http://127.0.0.1:{env.int('WEB_PORT', default=8000)}")
LOG_FORMAT = env.word("LOG_FORMAT", LOG_FORMATS, default="line")
LOGGING["handlers"]["stderr"]["formatter"] = LOG_FORMAT
