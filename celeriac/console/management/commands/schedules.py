"""`manage.py schedules`, where the project has schedules."""

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError

if apps.is_installed("celeriac.schedules"):
    from celeriac.console.management.schedules_command import Command as Command
else:

    class Command(BaseCommand):  # type: ignore[no-redef]  # the other one is for other projects
        """Say what is missing."""

        help = "Needs celeriac.schedules in INSTALLED_APPS."

        def add_arguments(self, parser: Any) -> None:
            parser.add_argument("words", nargs="*")

        def handle(self, *args: Any, **options: Any) -> None:
            raise CommandError(
                "This project has no schedules: add django_celery_beat and celeriac.schedules to "
                "INSTALLED_APPS (pip install 'celeriac[schedules]' brings the former)."
            )
