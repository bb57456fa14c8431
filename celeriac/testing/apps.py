"""App configuration."""

from django.apps import AppConfig


class TestingConfig(AppConfig):
    """Brings the command `flush` that empties a test database fast; it has no tables."""

    name = "celeriac.testing"
    label = "celeriac_testing"
    verbose_name = "Test tools"
