"""Routes under load, and the shadow beside killed workers, against what tasks themselves say."""

import os
import threading
import time
from collections import Counter
from datetime import timedelta
from itertools import cycle

import celery
import pytest
from celery import signals
from django.db import connection, transaction

from celeriac.celery.leaving.handing_back import hand_back_tasks
from celeriac.celery.shadow import noting
from celeriac.celery.shadow.findings import DOUBLED, EARLY, LOST, UNDONE, UNKNOWN, read_shadow
from celeriac.celery.shadow.notes import notes
from celeriac.celery.shadow.waiting import waiting_ids
from celeriac.core import clock
from celeriac.jobs import registry
from celeriac.jobs.models import Job
from celeriac.jobs.routing.current_orders import current_orders
from celeriac.jobs.routing.order_route import order_route
from celeriac.jobs.routing.shared import shared_orders
from tests.app.models import Effect
from tests.support.locked import locked_ledger  # noqa: F401 a fixture
from tests.support.processes import wait_until


@pytest.fixture
def acme(settings):
    """Return the project's app; its kinds and routes are forgotten afterwards."""
    from tests.support import acme_ledger

    settings.CELERIAC = {**settings.CELERIAC, "TASKS": ["acme.*"]}
    before = set(registry.kind_names())
    for each in (current_orders, shared_orders):
        each.forget()
    acme_ledger.app.finalize()
    yield acme_ledger.app
    for name in set(registry.kind_names()) - before:
        registry.forget_kind(name)
    for each in (current_orders, shared_orders):
        each.forget()


def worker(processes, tmp_path, *options, concurrency=2, **env):
    """Start a worker of the project that rings for itself."""
    return processes.worker(
        "--with-dispatcher",
        *options,
        app="tests.support.acme_ledger",
        queues=["default"],
        concurrency=concurrency,
        env={"CELERIAC_SLOT_DIRECTORY": str(tmp_path), "ACME_TASKS": "acme.*", **env},
    )


def begun():
    """Return how often each label's task began."""
    return Counter(Effect.objects.filter(value="began").values_list("name", flat=True))


def send_for(seconds, rate, send):
    """Call `send` with a new number so many times a second; return how many there were."""
    began, number = time.monotonic(), 0
    while (now := time.monotonic()) < began + seconds:
        if number < (now - began) * rate:
            send(number)
            number += 1
        else:
            time.sleep(0.001)
    return number


def test_a_route_that_is_switched_under_load_loses_and_doubles_nothing(
    acme, processes, broker, tmp_path
):
    """Calls of ours and messages from elsewhere, 200 a second, to and fro, then all handed back."""
    worker(processes, tmp_path)
    elsewhere = celery.Celery("elsewhere", broker=os.environ["BROKER_URL"], set_as_current=False)
    takes = acme.tasks["acme.takes"]
    over = threading.Event()

    def switch():
        for share in cycle((0, 50, 100)):
            order_route("acme.*", share=share, reason="test", actor="ann")
            if over.wait(0.6):
                break
        connection.close()

    def send(number):
        if number % 4:
            takes.delay(f"ours {number}", 0)
        else:
            elsewhere.send_task("acme.takes", (f"theirs {number}", 0), queue="default")

    thread = threading.Thread(target=switch)
    thread.start()
    count = send_for(float(os.environ.get("ROUTE_SECONDS", "4")), 200, send)
    over.set()
    thread.join()
    assert count > 400
    hand_back_tasks("acme.*", {takes.name: takes}, reason="test", actor="ann", wait=time.sleep)
    wait_until(lambda: len(begun()) == count, timeout=60)
    wait_until(lambda: not Job.objects.exclude(state="succeeded").exists())
    assert set(begun().values()) == {1}
    assert 0 < Job.objects.count() < count
    elsewhere.close()


#: A process that says each tenth of a second which share of a task's calls would be jobs.
WATCHER = """
import time, django
django.setup()
from celeriac.jobs.routing.current_orders import current_orders
while True:
    print(current_orders.share("acme.takes"), flush=True)
    time.sleep(0.1)
"""


def seconds_until(process, share):
    """Return after how many seconds a watcher has said a share."""
    began = time.monotonic()
    wait_until(lambda: process.output.splitlines()[-1:] == [str(float(share))], timeout=30)
    return time.monotonic() - began


def test_an_order_holds_in_another_process_within_five_seconds(acme, processes, locked_ledger):  # noqa: F811
    """While all tables are locked by the broker alone; by the rows alone where it is away."""
    by_broker = processes.python("broker", "-c", WATCHER)
    by_rows = processes.python("rows", "-c", WATCHER, env={"BROKER_URL": "redis://127.0.0.1:1/0"})
    for watcher in (by_broker, by_rows):
        watcher.wait_for_output("100.0")
    order_route("acme.*", share=0, reason="it hangs", actor="ann")
    assert seconds_until(by_broker, 0) < 5
    assert by_rows.output.splitlines()[-1] == "100.0"  # nothing can tell it
    locked_ledger()
    order_route("acme.*", share=5, reason="it moves", actor="ann")
    assert seconds_until(by_rows, 5) < 5
    assert seconds_until(by_broker, 5) < 5


@pytest.fixture
def shadowed(acme, settings):
    """Have all tasks be plain, with a shadow in this process."""
    settings.CELERIAC = {**settings.CELERIAC, "TASKS": ["none.*"], "SHADOW": ["acme.*"]}
    notes.forget()
    noting.install_shadow()
    yield acme
    for name in ("note_call", "note_start", "note_end", "note_revoked"):
        for signal in (
            signals.before_task_publish,
            signals.task_prerun,
            signals.task_postrun,
            signals.task_revoked,
        ):
            signal.disconnect(dispatch_uid=f"celeriac.shadow.{name}")
    notes.stop()


class Calls:
    """Calls by their labels, and what is to be said of some."""

    def __init__(self, app):
        self.app = app
        self.ids, self.undone, self.early = {}, set(), set()

    def __call__(self, label, name="takes", seconds=0.0):
        """Call a task that says when it begins."""
        self.ids[label] = self.app.tasks[f"acme.{name}"].delay(label, seconds).id

    def call_in_transactions(self, number):
        """Call in none, in one that rolls back, and in one that is open when the task begins."""
        self(f"calm {number}")
        with transaction.atomic():
            self(f"undone {number}")
            transaction.set_rollback(True)
        with transaction.atomic():
            self(f"early {number}")
            wait_until(lambda: f"early {number}" in seen_outside())
        self.undone.add(f"undone {number}")
        self.early.add(f"early {number}")

    def labels(self, told):
        """Return the labels of ids."""
        known = {task_id: label for label, task_id in self.ids.items()}
        return {known[each] for each in told}


def test_the_shadow_names_what_its_tasks_own_witness_saw(shadowed, processes, broker, tmp_path):
    """Children and whole workers killed, messages dropped, transactions rolled back, or slow."""
    env = {"ACME_TASKS": "none.*", "ACME_SHADOW": "acme.*", "ACME_VISIBILITY": "1"}
    first = worker(processes, tmp_path, concurrency=4, **env)
    call = Calls(shadowed)
    for number in range(10):
        call.call_in_transactions(number)
    wait_until(lambda: len(begun()) == len(call.ids))
    for number in range(2):
        call(f"killed {number}", seconds=60)
        call(f"late {number}", "takes_late", 3)
    wait_until(lambda: len(begun()) == len(call.ids))
    first.kill_group()
    for number in range(5):
        call(f"dropped {number}")
        assert broker.lpop("default")
    second = worker(processes, tmp_path, concurrency=4, **env)
    wait_until(lambda: min(begun()[f"late {number}"] for number in range(2)) == 2, timeout=60)
    call("last")
    wait_until(lambda: begun()["last"])
    time.sleep(2)  # what must not come has no sign
    second.stop()
    notes.flush()
    told = {what: call.labels(ids) for what, ids in named(shadowed).items()}
    witness, unknown = begun(), told[UNKNOWN]  # a machine that is busy leaves some undecided
    lost = {label for label in call.ids if not witness[label]}
    assert told[LOST] <= lost <= told[LOST] | unknown
    doubled = {label for label in call.ids if witness[label] > 1}
    assert told[DOUBLED] <= doubled <= told[DOUBLED] | unknown
    assert told[UNDONE] == call.undone
    assert told[EARLY] <= call.early | call.undone
    assert call.early <= told[EARLY] | unknown
    assert len(unknown) < len(call.ids) / 2


def seen_outside():
    """Return the labels that began, as another session sees them."""
    found = []

    def look():
        found.extend(begun())
        connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found


def named(app):
    """Return the ids of the messages that each was said of."""
    since = clock.db_now() - timedelta(hours=1)
    tasks = read_shadow(since, waiting=lambda: waiting_ids([app]), settled=0.01)
    found = {what: set() for what in (LOST, DOUBLED, UNDONE, EARLY, UNKNOWN)}
    for each in tasks:
        for one in each.findings:
            found.setdefault(one.what, set()).add(one.task_id)
    return found
