"""A project with a schema for each tenant (django-tenants), its ledger in the shared one."""

from tests.tenants.celery import app as app
