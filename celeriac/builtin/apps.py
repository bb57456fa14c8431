"""Django's registration of the app."""

from importlib import import_module

from django.apps import AppConfig

#: What declares kinds; the kinds of schedules are there where schedules are.
KINDS = ("callbacks", "maintenance", "bulk", "schedules")


class BuiltinConfig(AppConfig):
    """Declares the engine's own kinds, and those of Django's Tasks API."""

    name = "celeriac.builtin"
    label = "celeriac_builtin"

    def ready(self) -> None:
        """Declare them; all models are loaded by now."""
        from celeriac.django_tasks import kinds

        for name in KINDS:
            import_module(f"celeriac.builtin.{name}")
        kinds.load()
