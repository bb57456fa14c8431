"""What every environment shares. Values that differ come from the environment."""

from pathlib import Path

import django

from celeriac.core.environment import env as env

BASE_DIR = Path(__file__).resolve().parent.parent.parent

SECRET_KEY = env.str("SECRET_KEY", default="")
DEBUG = False
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "django_celery_results",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "celeriac.core",
    "celeriac.breakers",
    "celeriac.jobs",
    "celeriac.schedules",
    "celeriac.monitoring",
    "celeriac.console",
    "celeriac.http",
    "celeriac.builtin",
    "config",
    "apps.accounts",
    "apps.payments",  # here only
    "apps.notifications",  # here only
    "apps.orders",  # here only
]

#: Django's own from 6.0 on.
_CONTENT_POLICY = (
    ["django.middleware.csp.ContentSecurityPolicyMiddleware"] if django.VERSION >= (6, 0) else []
)
MIDDLEWARE = [
    "celeriac.monitoring.middleware.ProbeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "celeriac.core.middleware.CorrelationIdMiddleware",
    "celeriac.core.middleware.TraceMiddleware",
    "celeriac.http.middleware.ApiMiddleware",
    "celeriac.core.errorpages.DatabaseAwayMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.accounts.sessions.SessionLimits",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    *_CONTENT_POLICY,
    "celeriac.core.middleware.AdminPolicyMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = "config.formats"
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"

from config.settings.parts.accounts import *  # noqa: E402, F403 one file a topic, joined here
from config.settings.parts.admin import *  # noqa: E402, F403 one file a topic, joined here
from config.settings.parts.api import *  # noqa: E402, F403 one file a topic, joined here
from config.settings.parts.celeriac import *  # noqa: E402, F403 one file a topic, joined here
from config.settings.parts.celery import *  # noqa: E402, F403 one file a topic, joined here
from config.settings.parts.database import *  # noqa: E402, F403 one file a topic, joined here
from config.settings.parts.logs import *  # noqa: E402, F403 one file a topic, joined here
from config.settings.parts.providers import *  # noqa: E402, F403 one file a topic, joined here
from config.settings.parts.retention import *  # noqa: E402, F403 one file a topic, joined here
from config.settings.parts.security import *  # noqa: E402, F403 one file a topic, joined here
from config.settings.parts.tasks import *  # noqa: E402, F403 one file a topic, joined here
from config.settings.parts.telemetry import *  # noqa: E402, F403 one file a topic, joined here
