"""A project that has everything of its own: users, logs, error reports, traces, two databases."""

from tests.host.celery import app as app
