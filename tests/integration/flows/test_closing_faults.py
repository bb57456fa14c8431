"""Whoever closes a group may die at any of its statements, and two may close at once."""

import threading

import pytest
from django.db import connection, transaction

from celeriac import flow, grow_flow, retry
from celeriac.jobs.models import Job, Node
from celeriac.jobs.nodes import adding
from celeriac.jobs.nodes.closing import close_node, close_nodes
from celeriac.jobs.nodes.watching import settle_nodes, sweep_nodes
from celeriac.jobs.running import execute
from celeriac.testing import drain

KIND = "test.scripted"


class Killed(BaseException):
    """Stands for kill -9: nothing that the process would still have done is done."""


def wanted(script, *, dies=""):
    """Write a flow of two groups and what follows both; run the groups' jobs, close nothing."""
    script.deadly = {dies}
    with flow("faults") as f:
        parts = [
            f.group(KIND, [{"name": f"{part}{n}"} for n in range(2)], name=part) for part in "ab"
        ]
        body = f.add(KIND, {"name": "body"}, after=parts, name="body")
        f.add(KIND, {"name": "alarm"}, after=body.died, name="alarm")
    return f


def run_members(f, context):
    """Run what is queued, with no one who closes."""
    ids = list(Job.objects.queued().values_list("id", flat=True))
    execute.answer_doorbell(ids, context=context)
    return list(Node.objects.filter(flow=f.id, state="open").values_list("id", flat=True))


def kill_at(count):
    """Return a wrapper that kills whoever makes that many statements, and how many there were."""
    seen = []

    def wrapper(execute, statement, *args):
        seen.append(statement)
        if len(seen) == count:
            raise Killed
        return execute(statement, *args)

    return wrapper, seen


def close_as_another_process(nodes, count):
    """Close in a thread that is killed at its so-manieth statement; return how many it made."""
    wrapper, seen = kill_at(count)

    def close():
        try:
            with connection.execute_wrapper(wrapper):
                close_nodes(nodes)
        except Killed:
            pass
        finally:
            connection.close()

    thread = threading.Thread(target=close)
    thread.start()
    thread.join()
    return len(seen)


@pytest.mark.parametrize("dies", ["", "a1"])
def test_a_death_at_any_statement_of_closing_leaves_a_flow_that_ends_right(
    transactional_db, script, worker_context, dies
):
    """At each one in turn: another process finds it, and what waits is unblocked once."""
    expected = ["alarm"] if dies else ["body"]
    count, statements = 1, 1_000
    while count <= statements:
        script.ran.clear()
        f = wanted(script, dies=dies)
        nodes = run_members(f, worker_context)
        made = close_as_another_process(nodes, count)
        statements = made if made < count else statements
        sweep_nodes(late=-1.0)
        drain()
        assert [name for name in script.ran if name in ("body", "alarm")] == expected, count
        assert Node.objects.get(pk=f.id).is_finished
        count += 1
    assert count > 10


def test_two_who_close_two_groups_at_once_unblock_what_follows_both(
    transactional_db, script, worker_context
):
    """The second waits for the first at what follows, and then sees it."""
    f = wanted(script)
    run_members(f, worker_context)
    a, b = Node.objects.filter(flow=f.id, name__in="ab").order_by("name")
    done = threading.Event()

    def close_b():
        close_node(b.id)
        connection.close()
        done.set()

    thread = threading.Thread(target=close_b)
    with transaction.atomic():
        close_node(a.id)
        thread.start()
        assert not done.wait(0.3)
    thread.join()
    assert Job.objects.get(args__name="body").state == "queued"


def test_two_who_close_one_group_close_it_once(transactional_db, script, worker_context):
    """Eight at a time, and what follows runs once."""
    f = wanted(script)
    nodes = run_members(f, worker_context)
    closed = []

    def close():
        closed.append(close_nodes(nodes))
        connection.close()

    threads = [threading.Thread(target=close) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(closed) == 2
    drain()
    assert script.ran.count("body") == 1


def test_who_adds_keeps_a_group_from_being_closed(transactional_db, script, worker_context):
    """What it adds is seen by who closes then."""
    added = []

    def add():
        thread = threading.Thread(target=close)
        with transaction.atomic(), grow_flow() as more:
            adding.hold_nodes([node.id])
            thread.start()
            more.add_to(more.part("a"), KIND, [{"name": "late"}])
            assert not done.wait(0.3)
        added.append(thread)

    done = threading.Event()

    def close():
        close_nodes([node.id])
        done.set()
        connection.close()

    f = wanted(script)
    node = Node.objects.get(flow=f.id, name="a")
    Job.objects.filter(node=node.id).update(state="succeeded", finished_at="2026-01-01T00:00Z")
    script.inside["b0"] = add
    run_members(f, worker_context)
    added[0].join()
    assert Node.objects.get(pk=node.id).state == "open"
    drain()
    assert [name for name in script.ran if name in ("late", "body")] == ["late", "body"]


def test_a_retry_waits_for_who_closes(transactional_db, script, worker_context):
    """And opens what that has closed."""
    f = wanted(script, dies="a1")
    nodes = run_members(f, worker_context)
    script.deadly.clear()
    job = Job.objects.get(args__name="a1")

    def try_again():
        retry(job.id)
        connection.close()

    thread = threading.Thread(target=try_again)
    with transaction.atomic():
        close_nodes(nodes)
        thread.start()
        thread.join(0.3)
    thread.join()
    settle_nodes()
    drain()
    assert script.ran.count("body") == 1
    assert Node.objects.get(pk=f.id).state == "succeeded"
