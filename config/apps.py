"""The platform itself as an app: what is to be begun in each of its processes."""

from django.apps import AppConfig


class PlatformConfig(AppConfig):
    """What Django calls it; it has no models."""

    name = "config"
    verbose_name = "Platform"

    def ready(self) -> None:
        """Begin traces and error reports, where the environment asks for them."""
        from config.telemetry import start_telemetry  # reads settings

        start_telemetry()
