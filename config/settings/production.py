"""Production refuses to start on a missing or insecure value."""

from django.core.exceptions import ImproperlyConfigured

from config.settings.base import *  # noqa: F403 a settings module is the base and its changes
from config.settings.base import CELERIAC, env

SECRET_KEY = env.str("SECRET_KEY", default="")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])

_required = ["SECRET_KEY", "DATABASE_URL", "BROKER_URL", "CACHE_URL", "ALLOWED_HOSTS"]
_missing = [name for name in _required if not env.str(name, default="")]
if _missing:
    raise ImproperlyConfigured(f"Set {', '.join(_missing)} in the environment.")
if len(SECRET_KEY) < 50:
    raise ImproperlyConfigured("SECRET_KEY is shorter than 50 characters; make a random one.")
if 0 < len(CELERIAC.get("SIGNING_KEY", "")) < 50:
    raise ImproperlyConfigured("SIGNING_KEY is shorter than 50 characters; make a random one.")
for _name in ("SECRET_KEY_FALLBACKS", "SIGNING_KEY_FALLBACKS"):
    if any(len(key) < 50 for key in env.list(_name, default=[])):
        raise ImproperlyConfigured(
            f"{_name} holds a key of less than 50 characters, which anybody could find: name whole "
            "keys, separated by commas. A key with a comma in it can't be kept: leave it out."
        )
if "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS holds '*'; name the hosts that serve this site.")

CELERIAC["API_DOCS"] = env.bool("API_DOCS", default=False)
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
if CELERIAC["PROXIES"]:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_IDLE_SECONDS = env.int("SESSION_IDLE_SECONDS", default=3600)
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
