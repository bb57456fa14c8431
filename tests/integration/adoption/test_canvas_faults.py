"""Where a canvas of jobs could go wrong: losses, retries, routes, times, and calls that mix."""

from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from celery import chain, chord, group
from celery.exceptions import Ignore
from celery.result import AsyncResult
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from celeriac import retry
from celeriac.celery import CanvasRefused
from celeriac.jobs.dispatching.rescue import rescue_lost_runs
from celeriac.jobs.errors import IdempotencyConflict
from celeriac.jobs.models import Job, Node
from celeriac.jobs.routing.order_route import order_route
from celeriac.testing import drain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tasks(acme):
    """Return some tasks of a project, one of them plain."""
    ran = []

    @acme.task(name="acme.add")
    def add(x, y=0):
        ran.append(("add", x, y))
        return x + y

    @acme.task(name="acme.total")
    def total(numbers):
        ran.append(("total", list(numbers)))
        return sum(numbers)

    @acme.task(name="acme.fails")
    def fails(*args):
        if ("mended",) not in ran:
            raise ValueError("as asked")
        return 100

    @acme.task(name="other.plain")
    def plain(task_id=None):
        """Be nobody's job."""

    return SimpleNamespace(ran=ran, add=add, total=total, fails=fails, plain=plain)


def test_a_job_that_is_lost_after_it_was_replaced_is_replaced(acme, tasks):
    """Though its loss would be its death: its successor counts, and nothing runs twice."""

    @acme.task(name="acme.replaced", bind=True)
    def replaced(self):
        tasks.ran.append(("replaced",))
        try:
            self.replace(tasks.add.s(3, 4))
        except Ignore:
            late = timezone.now() - timedelta(hours=1)
            gone = {"claim_id": uuid4(), "worker": uuid4(), "started_at": late}
            Job.objects.filter(state="running").update(**gone)
            raise

    handle = (replaced.s() | tasks.add.s(10)).apply_async()
    drain()
    assert len(rescue_lost_runs()) == 1
    drain()
    assert Job.objects.get(pk=handle.parent.id).state == "cancelled"
    assert tasks.ran == [("replaced",), ("add", 3, 4), ("add", 7, 10)]
    assert AsyncResult(handle.id, app=acme).get() == 17


@pytest.mark.parametrize("how", ["link", "link_error", "chain", "body"])
def test_a_plain_task_behind_a_job_is_never_sent_at_once(tasks, broker, how):
    """Also where it is given no result: it would run before the job, or though nothing failed."""
    add, plain = tasks.add, tasks.plain
    calls = {
        "link": lambda: add.apply_async((1,), link=plain.si("x")),
        "link_error": lambda: add.apply_async((1,), link_error=plain.s()),
        "chain": lambda: chain(add.s(1), plain.si("x")).apply_async(),
        "body": lambda: chord([add.s(1), add.s(2)], plain.si("x"))(),
    }
    with pytest.raises(CanvasRefused, match=r"add 'other\.plain'"):
        calls[how]()
    assert not Job.objects.exists()
    assert broker.llen("default") == 0


def test_a_result_that_is_ignored_is_given_on_all_the_same(acme, tasks):
    """As Celery does, also through a replacement; where nobody is given it, nothing is kept."""

    @acme.task(name="acme.quiet", ignore_result=True)
    def quiet(x):
        return x + 1

    @acme.task(name="acme.swapped", bind=True, ignore_result=True)
    def swapped(self, x):
        self.replace(quiet.s(x))

    handle = (quiet.s(1) | swapped.s() | tasks.add.s(10)).apply_async()
    body = chord([quiet.s(1), swapped.s(5)], tasks.total.s())()
    alone = quiet.delay(1)
    drain()
    assert AsyncResult(handle.id, app=acme).get() == 13
    assert AsyncResult(body.id, app=acme).get() == 8
    assert Job.objects.get(pk=alone.id).result is None


def test_a_retry_with_other_arguments_keeps_them(acme, tasks):
    """What stood in their place is not put back."""
    seen = []

    @acme.task(name="acme.changes", bind=True, max_retries=3)
    def changes(self, *numbers):
        seen.append(numbers)
        if len(seen) < 3:
            raise self.retry(args=(7,) * (2 - len(seen)), countdown=0)
        return numbers

    (tasks.add.s(1, 1) | changes.s(5)).apply_async()
    drain()
    assert seen == [(2, 5), (7,), ()]


def test_what_a_canvas_keeps_in_headers_is_handed_on_to_nobody(acme, tasks):
    """A task that gives its own headers to its children gives them no results of others."""

    @acme.task(name="acme.hands", bind=True)
    def hands(self, x):
        tasks.add.apply_async((None, None), headers=self.request.headers)
        return self.request.headers

    handle = (tasks.add.s(1, 1) | hands.s().set(headers={"own": "1"})).apply_async()
    drain()
    assert AsyncResult(handle.id, app=acme).get() == {"own": "1"}
    assert tasks.ran == [("add", 1, 1), ("add", None, None)]


def test_calls_that_a_header_makes_on_the_way_are_no_members(acme, tasks):
    """Such as those of a generator that makes it."""

    def header():
        for n in range(3):
            tasks.add.delay(n, 1000)
            yield tasks.add.s(n, n)

    handle = chord(header())(tasks.total.s())
    drain()
    assert AsyncResult(handle.id, app=acme).get() == 6
    assert len(tasks.ran) == 7


def test_an_operators_retry_of_a_member_lets_the_chord_go_on(acme, tasks):
    """Its body runs once, with all results."""
    handle = chord([tasks.fails.s(), tasks.add.s(1, 1)], tasks.total.s())()
    drain()
    dead = Job.objects.get(state="dead")
    assert Job.objects.get(pk=handle.id).state == "cancelled"
    tasks.ran.append(("mended",))
    retry(dead.id)
    drain()
    assert AsyncResult(handle.id, app=acme).get() == 102
    assert [each[0] for each in tasks.ran].count("total") == 1


def test_a_result_that_is_gone_is_never_left_out(acme, tasks):
    """A body that would be given fewer results than members dies."""
    handle = chord([tasks.add.s(n, n) for n in range(3)], tasks.total.s())()
    Job.objects.filter(kind="acme.add").first().delete()
    drain()
    body = Job.objects.get(pk=handle.id)
    assert (body.state, "gone" in body.error) == ("dead", True)


def test_times_count_from_when_nothing_is_before_a_call(acme, tasks):
    """As Celery sends it then: a slow first step lets the next one neither expire nor start."""
    later = group(tasks.add.s(1).set(countdown=50), tasks.add.s(2).set(expires=60))
    handle = (tasks.add.s(1, 1) | later | tasks.total.s().set(expires=60)).apply_async()
    before = timezone.now()
    Job.objects.update(created_at=before - timedelta(hours=1))
    assert not Job.objects.filter(state="waiting", expires_at__isnull=False).exists()
    drain()
    slow, _ = Job.objects.filter(headers__has_key="celeriac_times", kind="acme.add").order_by(
        "-run_at"
    )
    assert 49 <= (slow.run_at - before).total_seconds() <= 80
    assert Job.objects.filter(kind="acme.add", expires_at__gt=before).count() == 1
    drain(with_scheduled=True)
    assert AsyncResult(handle.id, app=acme).get() == 7


def test_a_canvas_with_a_task_of_a_share_is_plain(acme, tasks, broker):
    """It is never refused while its tasks move from one side to the other."""
    order_route("acme.total", share=50, reason="because", actor="ann")
    chord([tasks.add.s(1), tasks.add.s(2)], tasks.total.s())
    (tasks.add.s(1) | tasks.total.s()).apply_async()
    tasks.add.apply_async((1,), link=tasks.total.s())
    (tasks.add.s(1) | group(tasks.add.s(1), tasks.total.s())).apply_async()
    assert not Job.objects.exists()
    assert broker.llen("default") == 3


def test_what_dies_in_a_members_place_is_the_error_behind_it(acme, tasks):
    """Of a task that has replaced itself by one that fails."""

    @acme.task(name="acme.swaps", bind=True)
    def swaps(self):
        self.replace(tasks.fails.s())

    handle = (swaps.s() | tasks.add.s(1)).apply_async()
    drain()
    for each in (handle, handle.parent):
        with pytest.raises(ValueError, match="as asked"):
            AsyncResult(each.id, app=acme).get()


def test_a_replaced_job_is_revoked_and_forgotten_in_its_successor(acme, tasks):
    """Whoever has its id alone means what runs under it now."""

    @acme.task(name="acme.swaps", bind=True)
    def swaps(self, **options):
        self.replace(tasks.add.s(1, 1).set(**options))

    kept, revoked = swaps.delay(), swaps.delay(countdown=1000)
    drain()
    AsyncResult(kept.id, app=acme).forget()
    assert AsyncResult(kept.id, app=acme).state == "PENDING"
    acme.control.revoke(revoked.id)
    successor = Job.objects.get(pk=Job.objects.get(pk=UUID(revoked.id)).superseded_by)
    assert successor.state == "cancelled"


def test_members_are_written_a_thousand_at_a_time(tasks):
    """No statement for each, nor does anybody listen for each result."""
    with CaptureQueriesContext(connection) as queries:
        group(tasks.add.s(n, n) for n in range(3_000)).apply_async()
    assert len(queries) <= 12, [each["sql"][:90] for each in queries][:20]
    assert Node.objects.count() == 2


@pytest.mark.parametrize("how", ["alone", "in a chain"])
def test_a_retry_of_what_took_a_members_place_lets_the_rest_go_on(acme, tasks, how):
    """Its death closed the member's group; its new run opens that again."""

    @acme.task(name="acme.swaps", bind=True)
    def swaps(self):
        self.replace(tasks.fails.s() if how == "alone" else tasks.fails.s() | tasks.add.s(1))

    handle = (swaps.s() | tasks.add.s(10)).apply_async()
    drain()
    assert Job.objects.get(pk=handle.id).state == "cancelled"
    tasks.ran.append(("mended",))
    retry(Job.objects.get(state="dead").id)
    drain()
    assert AsyncResult(handle.id, app=acme).get() == (110 if how == "alone" else 111)


def test_the_same_id_again_is_the_same_call(tasks):
    """Also where something follows it; an id that stands for two calls is refused by name."""
    for _ in range(2):
        tasks.add.apply_async((1, 2), task_id="mine", link=tasks.add.s(1))
    assert Job.objects.count() == 2
    frozen = tasks.add.s(1, 2)
    frozen.freeze()
    with pytest.raises(IdempotencyConflict, match="Let Celery choose"):
        group(frozen, frozen).apply_async()
    assert Job.objects.count() == 2


def test_a_canvas_is_called_as_often_as_one_likes(acme, tasks):
    """Each call is its own, though Celery's chain keeps the id of its first; who began it is named.

    A body has its parent's root, as anything else that a task calls.
    """

    @acme.task(name="acme.begins", bind=True)
    def begins(self):
        for whole in (one_after_another, one_after_another, together, together):
            whole.delay()

    one_after_another = tasks.add.s(1, 1) | tasks.add.s(1)
    together = chord([tasks.add.s(1, 1), tasks.add.s(2, 2)], tasks.total.s())
    root = begins.delay()
    drain()
    assert tasks.ran.count(("add", 2, 1)) == tasks.ran.count(("total", [2, 4])) == 2
    roots = Job.objects.exclude(pk=root.id).values_list("headers__root_id", flat=True)
    assert set(roots) == {root.id}
