"""Settings of a stranger's project; its servers come from the environment."""

import os

import environ

SECRET_KEY = "x" * 50
DATABASES = {"default": environ.Env.db_url_config(os.environ["HOST_DATABASE"])}
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "celeriac.core",
    "celeriac.breakers",
    "celeriac.jobs",
    "celeriac.schedules",
    "celeriac.monitoring",
    "celeriac.console",
    "celeriac.builtin",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
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
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.support.plain_urls"
STATIC_URL = "/static/"
USE_TZ = True
CELERY_BROKER_URL = os.environ["BROKER_URL"]
CELERIAC = {
    "SLOT_DIRECTORY": os.environ["HOST_SLOTS"],
    "CONSOLE_SITE": os.environ.get("HOST_SITE", ""),
    "BREAKERS": {"payments": {}, "callbacks": {}},
}
