"""App configuration."""

from django.apps import AppConfig


class TestAppConfig(AppConfig):
    """Tables without migrations, made when the test database is."""

    name = "tests.app"
    label = "testapp"
    default_auto_field = "django.db.models.BigAutoField"
