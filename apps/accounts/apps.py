"""App configuration."""

from django.apps import AppConfig
from django.contrib import admin

from celeriac import dress_site, plug_in


class AccountsConfig(AppConfig):
    """Who may act: people who sign in and service clients."""

    name = "apps.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Join the console, dress the site, and audit changes of one's own password, too."""
        from apps.accounts import passwords  # imports models
        from apps.accounts.plugin import PLUGIN

        plug_in(PLUGIN)
        dress_site(admin.site)

        # unfold does not read the site's own hook for the form
        admin.site.password_change = passwords.password_change  # type: ignore[method-assign]  # so a method it is
