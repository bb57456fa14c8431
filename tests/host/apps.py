"""App configuration."""

import atexit
import sys

from django.apps import AppConfig


class HostConfig(AppConfig):
    """The project's one app."""

    name = "tests.host"
    label = "host"

    def ready(self):
        """At the end of a process, say what it found of what the project had initialised."""
        from tests.host import telemetry

        atexit.register(lambda: telemetry.write("ends", {"argv": sys.argv} | telemetry.found()))
