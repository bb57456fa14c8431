"""Celery's canvas of a project's own tasks: chains, groups, chords and callbacks, as flows."""

from typing import ClassVar

import pytest
from celery import chain, chord, group
from celery.result import AsyncResult
from django.db import transaction

from celeriac.celery import CanvasRefused
from celeriac.jobs.models import Job, Node
from celeriac.testing import drain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tasks(acme):
    """Return some tasks of a project."""

    class Tasks:
        ran: ClassVar = []

    Tasks.ran.clear()

    @acme.task(name="acme.add")
    def add(x, y=0):
        Tasks.ran.append(("add", x, y))
        return x + y

    @acme.task(name="acme.total")
    def total(numbers):
        Tasks.ran.append(("total", list(numbers)))
        return sum(numbers)

    @acme.task(name="acme.fail")
    def fail(*args):
        Tasks.ran.append(("fail", *args))
        raise ValueError("as asked")

    @acme.task(name="acme.told")
    def told(task_id):
        Tasks.ran.append(("told", task_id))

    @acme.task(name="acme.told_all")
    def told_all(request, error, traceback):
        Tasks.ran.append(("told_all", request.id, repr(error), "ValueError" in traceback))

    for task in (add, total, fail, told, told_all):
        setattr(Tasks, task.name.rpartition(".")[2], task)
    return Tasks


def _same(x):
    """Return what it is given."""
    return x


def result(acme, handle):
    """Return a result by its id alone, as another process asks for it."""
    return AsyncResult(handle.id, app=acme)


def test_a_chain_gives_each_result_on(acme, tasks):
    """Its rows are all there at once; each next one waits."""
    handle = chain(tasks.add.s(1, 2), tasks.add.s(10), tasks.add.s(100)).apply_async()
    assert sorted(Job.objects.values_list("state", flat=True)) == ["queued", "waiting", "waiting"]
    drain()
    assert tasks.ran == [("add", 1, 2), ("add", 3, 10), ("add", 13, 100)]
    assert result(acme, handle).get() == 113
    assert handle.parent.get() == 13


def test_a_chord_gives_its_body_all_results_in_order(acme, tasks):
    """In the members' order, not in the order in which they ended."""
    handle = chord((tasks.add.s(n, n) for n in range(12)), tasks.total.s())()
    drain()
    assert tasks.ran[-1] == ("total", [2 * n for n in range(12)])
    assert result(acme, handle).get() == 132
    assert Node.objects.get(form="flow").state == "succeeded"


def test_a_chord_within_a_chain(acme, tasks):
    """Celery makes a chord of a group with a successor."""
    handle = (
        tasks.add.s(1, 1) | group(tasks.add.s(1), tasks.add.s(2)) | tasks.total.s() | tasks.add.s(5)
    ).apply_async()
    drain()
    assert result(acme, handle).get() == 12


def test_chains_within_a_header(acme, tasks):
    """A member may be a chain, whose last result counts."""
    header = [tasks.add.s(1, 1) | tasks.add.s(n) for n in range(3)]
    handle = chord(header)(tasks.total.s())
    drain()
    assert tasks.ran[-1] == ("total", [2, 3, 4])
    assert result(acme, handle).get() == 9


def test_a_chord_within_a_header(acme, tasks):
    """What counts is its body's result."""
    inner = chord([tasks.add.s(1, 1), tasks.add.s(2, 2)], tasks.total.s())
    handle = chord([inner, tasks.add.s(4, 0)], tasks.total.s())()
    drain()
    assert tasks.ran[-1] == ("total", [6, 4])
    assert result(acme, handle).get() == 10


def test_a_group_is_one_result(acme, tasks):
    """Its results are in its order; GroupResult asks for each."""
    handle = group(tasks.add.s(n) for n in range(3)).apply_async()
    drain()
    assert handle.get() == [0, 1, 2]
    assert handle.successful()


def test_links_are_given_the_result(acme, tasks):
    """Each callback runs once."""
    tasks.add.apply_async((1, 2), link=[tasks.add.s(10), tasks.told.si("x")])
    drain()
    assert sorted(tasks.ran) == [("add", 1, 2), ("add", 3, 10), ("told", "x")]


def test_error_callbacks_hear_of_the_failure_alone(acme, tasks):
    """Both kinds, as Celery calls them; none where nothing failed."""
    handle = tasks.fail.apply_async((1,), link_error=[tasks.told.s(), tasks.told_all.s()])
    tasks.add.apply_async((1, 2), link_error=tasks.told.s())
    drain()
    told = [each for each in tasks.ran if each[0].startswith("told")]
    assert sorted(told) == [
        ("told", handle.id),
        ("told_all", handle.id, "ValueError('as asked')", True),
    ]


def test_the_rest_of_a_chain_does_not_run_after_a_failure(acme, tasks):
    """Its error callbacks run once, and each later result is the member's own error."""
    handle = chain(tasks.add.s(1, 1), tasks.fail.s(), tasks.add.s(1)).apply_async(
        link_error=tasks.told.s()
    )
    drain()
    assert [each[0] for each in tasks.ran] == ["add", "fail", "told"]
    with pytest.raises(ValueError, match="as asked"):
        result(acme, handle).get()


def test_a_failed_member_stops_no_sibling(acme, tasks):
    """The body does not run, its error callback does, and get() raises the member's own error."""
    body = tasks.total.s().on_error(tasks.told.s())
    handle = chord([tasks.fail.s(), tasks.add.s(1, 1), tasks.add.s(2, 2)], body)()
    drain()
    assert sorted(each[0] for each in tasks.ran) == ["add", "add", "fail", "told"]
    with pytest.raises(ValueError, match="as asked"):
        result(acme, handle).get()


@pytest.mark.parametrize("how", ["task", "chain", "group", "chord"])
def test_a_task_replaces_itself(acme, tasks, how):
    """By whatever: who waits for it is given what took its place, under its own id."""
    ways = {
        "task": lambda: tasks.add.s(3, 4),
        "chain": lambda: tasks.add.s(1, 1) | tasks.add.s(5),
        "group": lambda: group(tasks.add.s(1, 1), tasks.add.s(2, 2)),
        "chord": lambda: chord([tasks.add.s(3, 0), tasks.add.s(4, 0)], tasks.total.s()),
    }

    @acme.task(name="acme.replaced", bind=True)
    def replaced(self):
        tasks.ran.append(("replaced",))
        raise self.replace(ways[how]())

    alone = replaced.delay()
    followed = (replaced.s() | (tasks.total.s() if how == "group" else tasks.add.s(10))).delay()
    drain()
    assert tasks.ran.count(("replaced",)) == 2
    assert result(acme, alone).get() == ([2, 4] if how == "group" else 7)
    assert result(acme, followed).get() == (6 if how == "group" else 17)


def test_map_starmap_and_chunks(acme, tasks):
    """What runs a task in a task is a job, too."""
    mapped = tasks.add.map([1, 2, 3]).apply_async()
    starred = tasks.add.starmap([(1, 2), (3, 4)]).apply_async()
    parts = tasks.add.chunks([(n, n) for n in range(4)], 2).apply_async()
    then = (tasks.add.starmap([(1, 2), (3, 4)]) | tasks.total.s()).apply_async()
    assert Job.objects.count() == 6
    drain()
    assert result(acme, mapped).get() == [1, 2, 3]
    assert result(acme, starred).get() == [3, 7]
    assert parts.get() == [[0, 2], [4, 6]]
    assert result(acme, then).get() == 10


def test_a_canvas_is_rolled_back_with_its_transaction(acme, tasks):
    """As a single job is."""
    with transaction.atomic():
        chord([tasks.add.s(1, 1), tasks.add.s(2, 2)], tasks.total.s())()
        transaction.set_rollback(True)
    assert not Job.objects.exists()


def test_a_chain_of_a_thousand(acme, tasks):
    """No recursion, in Celery's classes nor in ours."""
    handle = chain(tasks.add.s(1, 0), *[tasks.add.s(1) for _ in range(999)]).apply_async()
    assert Job.objects.count() == 1000
    assert handle.id


def test_a_plain_task_behind_jobs_is_refused_by_name(adopt):
    """With what to add."""
    app = adopt("acme.own")
    own, plain = (app.task(name=name)(_same) for name in ("acme.own", "acme.plain"))
    with pytest.raises(CanvasRefused, match=r"add 'acme\.plain'"):
        chain(own.s(1), plain.s()).apply_async()
    assert not Job.objects.exists()
