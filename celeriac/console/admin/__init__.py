"""The library's pages in Django's admin; each topic registers its models, where it is installed."""

from django.apps import apps

from celeriac.console.actions import admin as bulk
from celeriac.console.admin import audit, circuits, jobs

__all__ = ["audit", "bulk", "circuits", "jobs"]

if apps.is_installed("celeriac.schedules"):
    from celeriac.console.admin import schedules as schedules
if apps.is_installed("celeriac.mail"):
    from celeriac.console.admin import mail as mail
if apps.is_installed("django_celery_results"):
    from celeriac.console import results as results
