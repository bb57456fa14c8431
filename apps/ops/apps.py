"""Django's registration of the app."""

from django.apps import AppConfig


class OpsConfig(AppConfig):
    """What Django calls it."""

    name = "apps.ops"
