"""What an app of the library needs beside it in INSTALLED_APPS."""

from typing import ClassVar

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured


class Needs:
    """Mixed into an app's configuration: names what is missing before Django trips over it."""

    name: str
    needed_apps: ClassVar[tuple[str, ...]] = ()
    #: The extra of the distribution that brings them.
    extra: ClassVar[str] = ""
    #: Whatever the project's own default is: migrations were written with it.
    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        """Import the models; ImproperlyConfigured where an app is missing that they lean on."""
        missing = [app for app in self.needed_apps if not apps.is_installed(app)]
        if missing:
            brought = f" (pip install 'celeriac[{self.extra}]' brings it)" if self.extra else ""
            raise ImproperlyConfigured(
                f"{self.name} needs {', '.join(missing)} in INSTALLED_APPS: add it{brought}."
            )
        super().import_models()  # type: ignore[misc]  # AppConfig's
