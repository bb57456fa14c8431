"""App configuration."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who may act: people who sign in and service clients."""

    name = "apps.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"
