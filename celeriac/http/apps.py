"""Django's registration of the app."""

from django.apps import AppConfig


class HttpConfig(AppConfig):
    """What Django calls it."""

    name = "celeriac.http"
    label = "celeriac_http"
    default_auto_field = "django.db.models.BigAutoField"
