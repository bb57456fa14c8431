"""Writing messages: their rows and their jobs are one transaction, the caller's if there is one."""

from collections.abc import Sequence
from typing import Any

from django.core.mail import EmailMessage
from django.db import transaction

from celeriac.core.ids import uuid7
from celeriac.jobs.enqueueing.enqueue import enqueue_many
from celeriac.mail.models import Message
from celeriac.mail.stored import stored_message

#: The kind that sends; celeriac/builtin/mail.py declares it.
KIND = "celeriac.mail"


def enqueue_messages(
    messages: Sequence[EmailMessage], *, options: dict[str, Any], fail_silently: bool
) -> int:
    """Write messages and the jobs that send them; return how many.

    Raises:
        ValueError: a message holds what can't be kept.
        JobError: the ledger refuses a job.
    """
    rows = [
        Message(id=uuid7(), **stored_message(each), options=options, fail_silently=fail_silently)
        for each in messages
    ]
    with transaction.atomic():
        handles = enqueue_many(KIND, [{"message_id": row.id} for row in rows])
        for row, handle in zip(rows, handles, strict=True):
            row.job_id = handle.id
        Message.objects.bulk_create(rows)
    return len(rows)
