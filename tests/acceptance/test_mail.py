"""Mail through a real worker that dies while the mail server has the message."""

import psutil
import pytest
from django.core.mail import EmailMessage
from django.db import transaction

from celeriac.jobs.models import Job
from celeriac.mail.models import Message
from tests.support import providers
from tests.support.processes import wait_until

#: The fixtures of the mail server.
_mailsink_server, circuits, mailsink = (
    getattr(providers, name) for name in ("_mailsink_server", "circuits", "mailsink")
)


def write(headers=None):
    """Write a message with an attachment, in a transaction."""
    message = EmailMessage("Receipt", "Thanks.", None, ["ada@mail.example"], headers=headers)
    message.attach("receipt.pdf", b"%PDF-" + bytes(100_000), "application/pdf")
    with transaction.atomic():
        message.send()
    return Message.objects.latest("id")


def kill_in_mid_send(worker, row, ring, mailsink):
    """Ring for a message, wait until the server holds its bytes, and kill the child that waits."""
    ring([row.job])
    wait_until(lambda: mailsink.stats()["by_message_id"].get(row.message_id) == 1)
    (child,) = worker.children()
    psutil.Process(child.pid).kill()


@pytest.mark.parametrize("once", [False, True], ids=["again", "at most once"])
def test_a_kill_in_mid_send_is_an_unknown_outcome(
    processes,
    ring,
    mailsink,
    settings,
    tmp_path,
    once,
):
    """It is sent again under its Message-ID, or, where the header asks for that, not at all."""
    env = {
        "EMAIL_URL": f"smtp://{settings.EMAIL_HOST}:{settings.EMAIL_PORT}",
        "CELERIAC_SLOT_DIRECTORY": str(tmp_path / "slots"),
        "EMAIL_TIMEOUT": "60",
    }
    settings.EMAIL_BACKEND = "celeriac.mail.EmailBackend"
    mailsink.faults(delay_rate=1.0, delay_seconds=50.0)
    worker = processes.worker(queues=["default"], concurrency=1, env=env)
    row = write({"X-Celeriac-At-Most-Once": "1"} if once else None)
    kill_in_mid_send(worker, row, ring, mailsink)
    wait_until(lambda: Job.objects.filter(id=row.job_id, state="queued", losses=1).exists())
    assert Message.objects.get().state == "sending"
    mailsink.faults(delay_rate=0.0)
    Job.objects.update(run_at=row.created_at)
    row.job.refresh_from_db()
    ring([row.job])
    wait_until(lambda: Job.objects.filter(id=row.job_id, state__in=("succeeded", "dead")).exists())
    row.refresh_from_db()
    calls = mailsink.stats()["by_message_id"]
    if once:
        assert (row.state, row.sends, row.job.state) == ("unknown", 1, "dead")
        assert calls == {row.message_id: 1}
    else:
        assert (row.state, row.sends, row.resends) == ("accepted", 2, 1)
        assert calls == {row.message_id: 2}
