"""App configuration."""

from django.apps import AppConfig
from django.contrib import admin


class AccountsConfig(AppConfig):
    """Who may act: people who sign in and service clients."""

    name = "apps.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let changes of one's own password be written down, too."""
        from apps.accounts import passwords  # imports models

        # unfold does not read the site's own hook for the form
        admin.site.password_change = passwords.password_change  # type: ignore[method-assign]  # so a method it is
