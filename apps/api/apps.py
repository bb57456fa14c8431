"""Django's registration of the app."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """What Django calls it."""

    name = "apps.api"
