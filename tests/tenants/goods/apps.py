"""App configuration."""

from django.apps import AppConfig


class GoodsConfig(AppConfig):
    """Books, in each tenant's schema."""

    name = "tests.tenants.goods"
    label = "goods"
