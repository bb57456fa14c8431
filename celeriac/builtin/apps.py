"""Django's registration of the app."""

from importlib import import_module
from importlib.util import find_spec

import django
from django.apps import AppConfig, apps

from celeriac.core.needs import Needs
from celeriac.settings import conf

#: What declares kinds, by the app without which it has nothing to do; "" for always.
KINDS = {
    "callbacks": "",
    "lost_tasks": "",
    "maintenance": "",
    "rollups": "celeriac.monitoring",
    "bulk": "celeriac.console",
    "schedules": "celeriac.schedules",
    "mail": "celeriac.mail",
}


class BuiltinConfig(Needs, AppConfig):
    """Declares the engine's own kinds, and those of Django's Tasks API."""

    name = "celeriac.builtin"
    label = "celeriac_builtin"
    verbose_name = "Built-in jobs"
    needed_apps = ("celeriac.jobs",)

    def ready(self) -> None:
        """Declare them; all models are loaded by now."""
        from celeriac.builtin.commands import add_verbs

        add_verbs()

        for name, app in KINDS.items():
            if not app or apps.is_installed(app):
                import_module(f"celeriac.builtin.{name}")
        if conf.SHADOW:
            import_module("celeriac.celery.shadow.noting").install_shadow()
        if django.VERSION >= (6, 0) or find_spec("django_tasks"):  # Django 5.2 has a backport
            import_module("celeriac.django_tasks.declaring").load_tasks()
