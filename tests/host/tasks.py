"""The project's tasks and kinds."""

import logging

from celery import shared_task
from django.db import connections

from celeriac import Backoff, job
from tests.host import telemetry

logger = logging.getLogger("host")


@shared_task(name="host.note")
def note(text):
    """Leave a note in the other database; a text that begins with `bad` fails after that."""
    with connections["legacy"].cursor() as cursor:
        cursor.execute("INSERT INTO note (text, made_by) VALUES (%s, 'job')", [text])
    if text.startswith("bad"):
        raise ValueError(f"no {text}")


@job("seen.found")
def found() -> dict[str, object]:
    """Return what this process finds of what the project has initialised."""
    logger.debug("looked around")
    return telemetry.found()


@job("seen.secret", redact=("card",), retry=Backoff(max_attempts=1))
def secret(card: str) -> None:
    """Fail with a secret in the error's text."""
    raise ValueError(f"the card {card} was refused")
