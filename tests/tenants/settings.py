"""Settings of a project with tenants."""

import os

import environ

SECRET_KEY = "x" * 50
DATABASES = {
    "default": environ.Env.db_url_config(os.environ["HOST_DATABASE"])
    | {"ENGINE": "django_tenants.postgresql_backend"}
}
DATABASE_ROUTERS = ("django_tenants.routers.TenantSyncRouter",)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TENANT_MODEL = "tenants.Shop"
TENANT_DOMAIN_MODEL = "tenants.Domain"
TENANT_LIMIT_SET_CALLS = os.environ.get("HOST_LIMIT_SET_CALLS") == "1"
SHARED_APPS = [
    "django_tenants",
    "tests.tenants",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.postgres",
    "celeriac.core",
    "celeriac.breakers",
    "celeriac.jobs",
    "celeriac.builtin",
]
TENANT_APPS = ["django.contrib.contenttypes", "tests.tenants.goods"]
INSTALLED_APPS = [*SHARED_APPS, *(each for each in TENANT_APPS if each not in SHARED_APPS)]
USE_TZ = True
CELERY_BROKER_URL = os.environ["BROKER_URL"]
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERIAC = {
    "TASKS": ["goods.adopted*"],
    "QUEUES": {
        "default": {},
        "threads": {"slots": "threads:4"},
        "async": {"slots": "async:4"},
        "callbacks": {},
        "maintenance": {},
    },
    "SLOT_DIRECTORY": os.environ["HOST_SLOTS"],
    "HEARTBEAT_SECONDS": 0.5,
    "WORKER_LEASE_SECONDS": 5,
}
