"""App configuration."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """The tenants."""

    name = "tests.tenants"
    label = "tenants"
