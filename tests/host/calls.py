"""Calls inside transactions of the other database, by a process of the project."""

import os
import signal
import sys

import django

django.setup()

from django.db import connections, transaction  # noqa: E402 what follows needs the apps

from celeriac import WrongTransaction, enqueue  # noqa: E402
from celeriac.jobs.models import Job  # noqa: E402
from tests.host.tasks import note  # noqa: E402


def write(text):
    """Leave a note in the other database, in whatever transaction is open there."""
    with connections["legacy"].cursor() as cursor:
        cursor.execute("INSERT INTO note (text, made_by) VALUES (%s, 'caller')", [text])


def main(how):
    """Call within the other database's transaction, and end it as asked."""
    with transaction.atomic(using="legacy"):
        write(how)
        if how == "killed":
            die = os.kill, os.getpid(), signal.SIGKILL
            transaction.on_commit(lambda: die[0](*die[1:]), using="legacy")
        called = note.delay(how)
        assert not Job.objects.filter(pk=called.id).exists(), "written before the other's commit"
        try:
            enqueue("seen.found", {})
        except WrongTransaction as error:
            print(error)
        if how == "undone":
            transaction.set_rollback(True, using="legacy")
    print(called.id, Job.objects.filter(pk=called.id).exists())


for each in sys.argv[1:]:
    main(each)
