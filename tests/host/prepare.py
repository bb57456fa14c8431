"""Checks the project, makes its tables, and somebody who may do everything."""

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 what follows needs the apps
from django.core.management import call_command  # noqa: E402

call_command("check")
call_command("makemigrations", check=True, dry_run=True, verbosity=0)
call_command("migrate", verbosity=0)
get_user_model().objects.create_superuser("b-17", "password")
