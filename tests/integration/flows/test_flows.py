"""Flows by their native door: order, results, deaths, retries, events, growing."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from celeriac import (
    CyclicFlow,
    FlowClosed,
    InvalidArgs,
    InvalidOption,
    LostClaim,
    Result,
    cancel_flow,
    clock,
    emit,
    enqueue,
    flow,
    grow_flow,
    let_go_on,
    retry,
    retry_flow,
)
from celeriac.jobs.models import Emission, Job, Node, NodeEdge
from celeriac.jobs.nodes.watching import NodeWatch, settle_nodes, sweep_nodes
from celeriac.jobs.operating.prune import prune_jobs
from celeriac.testing import assert_enqueued, drain

KIND = "test.scripted"
pytestmark = pytest.mark.usefixtures("db")


def called(*names):
    """Return the arguments of jobs of these names."""
    return [{"name": name} for name in names]


def states(f):
    """Return the states of a flow's parts by their names."""
    return dict(Node.objects.filter(flow=f.id).values_list("name", "state"))


def test_a_job_waits_for_those_before_it(script):
    """It is a row from the start, in no queue, and starts when the last of them has ended."""
    with flow("import") as f:
        first = f.add(KIND, {"name": "first"}, name="first")
        many = f.group(KIND, called("a", "b", "c"), after=first, name="many")
        f.add(KIND, {"name": "last"}, after=[many, first], name="last")
    assert assert_enqueued(KIND, name="last").state == "waiting"
    assert Job.objects.queued().count() == 1
    ran = drain()
    assert [job.args["name"] for job in ran] == script.ran == ["first", "a", "b", "c", "last"]
    assert set(states(f).values()) == {"succeeded"}
    assert f.handle.state == "succeeded"
    assert f.handle.counts() == {"succeeded": 5}


def test_a_flow_exists_if_its_transaction_commits(script):
    """All of it, or nothing; so does one whose block raises."""

    def write(*, fails_inside):
        with transaction.atomic():
            with flow("gone") as f:
                f.add(KIND, {"name": "a"})
                if fails_inside:
                    raise ZeroDivisionError
            raise ZeroDivisionError

    for inside in (False, True):
        with pytest.raises(ZeroDivisionError):
            write(fails_inside=inside)
    assert not Job.objects.exists()
    assert not Node.objects.exists()


def test_results_are_read_when_the_follower_runs(script):
    """One's as it is, a group's as a list in its order, a part by its path; they stand nowhere."""
    with flow("results") as f:
        one = f.add(KIND, {"name": "one"}, name="one")
        many = f.group(KIND, called(*"abc"), name="many")
        f.add(KIND, {"name": "x", "given": Result(one)}, after=one, name="x")
        f.add(KIND, {"name": "y", "given": Result(many)}, after=many, name="y")
        f.add(KIND, {"name": "z", "given": Result(one, "0.0")}, after=one, name="z")
    drain()
    assert script.given["x"] == "one"
    assert script.given["y"] == ["a", "b", "c"]
    job = Job.objects.get(args__name="z")
    assert job.state == "dead"
    assert "no '0.0'" in job.error
    assert Job.objects.get(args__name="y").args == {"name": "y"}


def test_results_that_are_too_large_end_their_follower_alone(script, settings):
    """With a sentence that says what to do."""
    settings.CELERIAC = {**settings.CELERIAC, "MAX_FLOW_RESULT_BYTES": 10}
    with flow("large") as f:
        many = f.group(KIND, called("abcdef", "ghijkl"))
        f.add(KIND, {"name": "sum", "given": Result(many)}, after=many)
    drain()
    job = Job.objects.get(args__name="sum")
    assert job.state == "dead"
    assert "MAX_FLOW_RESULT_BYTES" in job.error


def test_a_death_stops_what_has_not_started_and_what_waits(script):
    """By default: siblings, followers and theirs end cancelled, and say because of whom."""
    script.deadly = {"b"}
    with flow("stop") as f:
        many = f.group(KIND, called("a", "b", "c", "d"), name="many")
        body = f.add(KIND, {"name": "body"}, after=many, name="body")
        f.add(KIND, {"name": "after"}, after=body, name="after")
        f.add(KIND, {"name": "alarm"}, after=body.died, name="alarm")
        f.add(KIND, {"name": "always"}, after=body.ended, name="always")
    drain()
    assert script.ran == ["a", "b", "alarm", "always"]
    dead = Job.objects.get(args__name="b")
    assert Job.objects.get(args__name="after").error == f"cancelled: job {dead.id} ({KIND}) died"
    assert states(f) == {
        "stop": "dead",
        "many": "dead",
        "body": "cancelled",
        "after": "cancelled",
        "alarm": "succeeded",
        "always": "succeeded",
    }


def test_where_a_death_goes_on_the_follower_sees_who_died(script):
    """All members run; the flow has not failed for it."""
    script.deadly = {"b"}
    with flow("on") as f:
        many = f.group(KIND, called("a", "b", "c"), if_dead="go_on", name="many")
        f.add(KIND, {"name": "sum", "given": Result(many)}, after=many, name="sum")
        f.add(KIND, {"name": "who", "given": Result(many.died)}, after=many, name="who")
        f.add(KIND, {"name": "never"}, after=many.succeeded, name="never", if_dead="go_on")
    drain()
    assert script.given["sum"] == ["a", None, "c"]
    [died] = script.given["who"]
    assert died["error"].endswith("b was to die")
    assert "never" not in script.ran
    assert f.handle.state == "succeeded"


def test_what_nobody_needed_is_skipped_and_no_failure(script):
    """What is there for a death, where nobody died, and what waits for it."""
    with flow("calm") as f:
        one = f.add(KIND, {"name": "one"})
        alarm = f.add(KIND, {"name": "alarm"}, after=one.died, name="alarm")
        f.add(KIND, {"name": "more"}, after=alarm, name="more")
    drain()
    assert script.ran == ["one"]
    assert states(f)["alarm"] == states(f)["more"] == "skipped"
    assert f.handle.state == "succeeded"


def test_a_death_that_waits_keeps_all_open_until_somebody_decides(script):
    """Then the follower runs."""
    script.deadly = {"b"}
    with flow("wait") as f:
        many = f.group(KIND, called("a", "b", "c"), if_dead="wait", name="many")
        f.add(KIND, {"name": "sum"}, after=many)
    drain()
    node = Node.objects.get(name="many")
    assert node.state == "open"
    assert "died" in node.because
    assert script.ran == ["a", "b", "c"]
    let_go_on(node.id, actor="ops", reason="enough")
    drain()
    assert script.ran[-1] == "sum"


def test_a_retry_of_the_dead_member_opens_what_its_death_had_closed(script):
    """A generation later all goes on from there, and runs once."""
    script.deadly = {"b"}
    with flow("again") as f:
        many = f.group(KIND, called("a", "b", "c"), name="many")
        f.add(KIND, {"name": "sum", "given": Result(many)}, after=many, name="sum")
    drain()
    script.deadly.clear()
    retry(Job.objects.get(args__name="b").id)
    assert Job.objects.get(args__name="sum").state == "waiting"
    assert f.handle.state == "open"
    drain()
    assert script.ran == ["a", "b", "b", "c", "sum"]
    assert script.given["sum"] == ["a", "b", "c"]
    assert set(states(f).values()) == {"succeeded"}
    assert Node.objects.get(name="many").generation == 1


def test_a_retry_runs_nothing_again_that_had_run(script):
    """What went on without the dead member has done so."""
    script.deadly = {"b"}
    with flow("once") as f:
        many = f.group(KIND, called("a", "b"), if_dead="go_on", name="many")
        f.add(KIND, {"name": "sum"}, after=many)
    drain()
    script.deadly.clear()
    assert retry_flow(f.id, actor="ops", reason="mended") == 1
    drain()
    assert script.ran == ["a", "b", "sum", "b"]
    assert f.handle.state == "succeeded"


def test_a_retry_of_one_of_two_causes_changes_nothing_yet(script):
    """What waits for both waits again once both are on their way."""
    script.deadly = {"a", "b"}
    with flow("both") as f:
        parts = [f.add(KIND, {"name": name}, name=name) for name in "ab"]
        f.add(KIND, {"name": "c"}, after=parts, name="c")
    drain()
    script.deadly.clear()
    retry(Job.objects.get(args__name="a").id)
    drain()
    assert states(f)["c"] == "cancelled"
    retry(Job.objects.get(args__name="b").id)
    drain()
    assert script.ran == ["a", "b", "a", "b", "c"]
    assert f.handle.state == "succeeded"


def test_a_flow_that_is_cancelled_runs_nothing_more(script):
    """Not even what waits for a death; a retry of the flow brings it all back."""
    with flow("off") as f:
        one = f.add(KIND, {"name": "one"}, name="one")
        f.add(KIND, {"name": "two"}, after=one, name="two")
        f.add(KIND, {"name": "alarm"}, after=one.died, name="alarm")
    assert cancel_flow(f.id, actor="ops", reason="wrong file") == 1
    drain()
    assert script.ran == []
    assert f.handle.state == "cancelled"
    retry_flow(f.id)
    drain()
    assert script.ran == ["one", "two"]
    assert f.handle.state == "succeeded"


def test_nothing_is_added_to_a_cancelled_flow(script):
    """Where a member still runs."""

    def add():
        cancel_flow(f.id)
        with pytest.raises(FlowClosed, match="cancelled"), grow_flow() as more:
            more.add(KIND, {"name": "late"})

    script.inside["one"] = add
    with flow("off") as f:
        f.add(KIND, {"name": "one"})
    drain()
    assert script.ran == ["one"]


def test_an_event_that_comes_early_is_kept_and_the_first_counts(script):
    """Its payload is its result."""
    assert emit("approved", key="7", payload={"by": "ann"})
    assert not emit("approved", key="7", payload={"by": "bob"})
    with flow("event") as f:
        event = f.event("approved", key="7")
        f.add(KIND, {"name": "go", "given": Result(event, "by")}, after=event)
    drain()
    assert script.given == {"go": "ann"}
    assert Emission.objects.count() == 1


def test_an_event_is_waited_for(script):
    """Without a key it is the flow's own."""
    with flow("event") as f:
        one = f.add(KIND, {"name": "one"})
        event = f.event("approved", after=one)
        f.add(KIND, {"name": "go"}, after=event)
    drain()
    assert script.ran == ["one"]
    emit("approved", key=str(f.id))
    drain()
    assert script.ran == ["one", "go"]


@pytest.mark.parametrize(("then", "ran"), [("cancel", ["one"]), ("go_on", ["one", "go"])])
def test_an_event_is_waited_for_so_long_and_not_from_before_its_turn(script, then, ran):
    """Its time runs from when nothing else is before it."""
    with flow("late") as f:
        one = f.add(KIND, {"name": "one"})
        event = f.event("never", after=one, timeout=timedelta(hours=1), then=then)
        f.add(KIND, {"name": "go"}, after=event, name="go")
    with clock.offset_clock(timedelta(hours=2)):
        drain()
        assert script.ran == ["one"]
    with clock.offset_clock(timedelta(hours=3.1)):
        NodeWatch().tend()
        drain()
    assert script.ran == ran


def test_a_member_adds_to_its_group_and_to_its_flow(script):
    """What waits for the group waits for the new members too."""

    def add():
        with grow_flow() as more:
            more.add_to(more.own, KIND, called("c", "d"))
            more.add(KIND, {"name": "extra"}, after=more.part("many"), name="extra")

    script.inside["a"] = add
    with flow("grows") as f:
        many = f.group(KIND, called("a", "b"), name="many")
        f.add(KIND, {"name": "sum", "given": Result(many)}, after=many)
    drain()
    assert sorted(script.ran[:4]) == ["a", "b", "c", "d"]
    assert script.given["sum"] == ["a", "b", "c", "d"]
    assert "extra" in script.ran
    assert f.handle.state == "succeeded"


def test_a_lost_run_adds_nothing(script):
    """Its claim is the fence."""

    def add():
        Job.objects.filter(args__name="a").update(claim_id="0" * 32)
        with pytest.raises(LostClaim), grow_flow() as more:
            more.add(KIND, {"name": "late"})

    script.inside["a"] = add
    with flow("fenced") as f:
        f.add(KIND, {"name": "a"})
    drain()
    assert Node.objects.filter(flow=f.id).count() == 2
    assert script.ran == ["a"]


def test_a_subflow_is_one_thing_to_wait_for(script):
    """It opens when its turn comes, and nothing inside runs before."""
    with flow("outer") as f:
        first = f.add(KIND, {"name": "first"})
        with f.subflow("inner", after=first) as inner:
            one = inner.add(KIND, {"name": "one"})
            inner.add(KIND, {"name": "two"}, after=one)
        f.add(KIND, {"name": "last"}, after=inner.part)
        with pytest.raises(InvalidOption, match="as a whole"):
            f.add(KIND, {"name": "wrong"}, after=one)
    drain()
    assert script.ran == ["first", "one", "two", "last"]
    assert f.handle.state == "succeeded"


def test_a_death_inside_a_subflow_is_retried_from_the_inside_out(script):
    """Whatever was closed around it opens."""
    script.deadly = {"two"}
    with flow("outer") as f:
        with f.subflow("inner") as inner:
            one = inner.add(KIND, {"name": "one"})
            two = inner.add(KIND, {"name": "two"}, after=one)
            inner.add(KIND, {"name": "three"}, after=two)
        f.add(KIND, {"name": "last"}, after=inner.part)
    drain()
    assert f.handle.state == "dead"
    script.deadly.clear()
    retry(Job.objects.get(args__name="two").id)
    drain()
    assert script.ran == ["one", "two", "two", "three", "last"]
    assert f.handle.state == "succeeded"


def test_a_key_is_one_flow(script):
    """The second call writes nothing, and gets the first one."""
    for _ in range(2):
        with flow("import", key="import:7") as f:
            f.add(KIND, {"name": "a"})
    assert f.replayed
    assert f.handle.replayed
    assert Job.objects.count() == 1
    assert Node.objects.flows().get().id == f.id


def test_what_waits_for_itself_is_refused(script):
    """When it is written, and it says who."""
    f = flow("round")
    a = f.add(KIND, {"name": "a"}, name="a")
    b = f.add(KIND, {"name": "b"}, after=a, name="b")
    c = f.add(KIND, {"name": "c"}, after=b, name="c")
    f.after(a, c)
    with pytest.raises(CyclicFlow, match=r"would wait for each other: (a|b|c) → "):
        f.write()
    assert not Node.objects.exists()


def test_a_chain_may_be_long(script):
    """A hundred steps, in order."""
    with flow("long") as f:
        part = None
        for number in range(100):
            part = f.add(KIND, {"name": str(number)}, after=part)
    assert len(drain()) == 100
    assert script.ran == [str(number) for number in range(100)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"if_dead": "goon"}, "Did you mean 'go_on'"),
        ({"after": "first"}, "no part of a flow"),
        ({"idempotency_key": "k"}, "key="),
    ],
)
def test_a_bad_option_says_what_to_write(script, options, words):
    """Before anything is written."""
    with pytest.raises(InvalidOption, match=words), flow("bad") as f:
        f.add(KIND, {"name": "a"}, **options)


def test_results_of_what_is_not_before_are_refused(script):
    """It might not have ended; and a name that the handler does not take is refused as ever."""
    with flow("bad") as f:
        one = f.add(KIND, {"name": "one"}, name="one")
        with pytest.raises(InvalidOption, match="does not wait for"):
            f.add(KIND, {"name": "two", "given": Result(one)})
        with pytest.raises(InvalidArgs, match="nope"):
            f.add(KIND, {"name": "three", "nope": Result(one)}, after=one)


def test_a_unique_key_never_wedges_a_flow(script):
    """A member whose key is queued already ends superseded, and that job's end counts for it."""
    outside = enqueue(KIND, {"name": "outside"}, unique_key="k", delay=3600)
    with flow("keys") as f:
        many = f.members([(KIND, {"name": n}, {"unique_key": "k"}) for n in "ab"], name="many")
        f.add(KIND, {"name": "sum", "given": Result(many)}, after=many)
    drain()
    assert script.ran == []
    assert Node.objects.get(name="many").substitute == outside.id
    Job.objects.filter(pk=outside.id).update(run_at=clock.db_now())
    drain()
    NodeWatch().tend()
    drain()
    assert script.ran == ["outside", "sum"]
    assert script.given["sum"] == ["outside", "outside"]


def test_ten_thousand_members_are_ten_statements(script):
    """A thousand each, and the same few others as for one."""
    with CaptureQueriesContext(connection) as few, flow("few") as f:
        f.group(KIND, called("a"))
    with CaptureQueriesContext(connection) as many, flow("many") as f:
        f.group(KIND, called(*map(str, range(10_000))))
    assert len(many) == len(few) + 9
    assert f.handle.counts() == {"queued": 10_000}


def test_a_delay_counts_from_the_unblocking(script):
    """Not from when the flow was written."""
    with flow("later") as f:
        one = f.add(KIND, {"name": "one"})
        f.add(KIND, {"name": "two"}, after=one, delay=3600)
    drain()
    job = Job.objects.get(args__name="two")
    assert job.state == "queued"
    assert 3500 < (job.run_at - clock.db_now()).total_seconds() <= 3600


def test_members_are_kept_until_their_flow_has_closed(script):
    """Then by their retention."""
    with flow("kept") as f:
        one = f.add(KIND, {"name": "one"})
        f.add(KIND, {"name": "two"}, after=[one, f.event("approved")])
    drain()
    Job.objects.filter(state="succeeded").update(finished_at="2020-01-01T00:00Z")
    assert prune_jobs().jobs == 0
    emit("approved", key=str(f.id))
    drain()
    assert prune_jobs().jobs == 1


def test_a_sweep_closes_what_nobody_named_and_counts_it(script, caplog):
    """Where a nudge was lost; where none was there is nothing to correct."""
    with flow("lost") as f:
        f.group(KIND, called("a", "b"), name="many")
    settle_nodes()
    Job.objects.update(state="succeeded", finished_at=clock.db_now())
    sweep_nodes()
    assert states(f)["many"] == "open"
    assert not caplog.records
    sweep_nodes(late=-1.0)
    assert states(f)["many"] == "succeeded"
    assert "nobody had named" in caplog.text


def test_an_empty_group_has_ended_at_once(script):
    """So what waits for it runs."""
    with flow("empty") as f:
        none = f.group(KIND, [], name="none")
        f.add(KIND, {"name": "sum", "given": Result(none)}, after=none)
    drain()
    assert script.given == {"sum": []}


def test_what_has_ended_is_deleted_with_its_jobs(script):
    """Nodes, edges and events go once nothing of the flow is left; an open flow keeps all."""
    with flow("short") as f:
        first = f.add(KIND, {"name": "a"})
        f.add(KIND, {"name": "b"}, after=[first, f.event("go", key="1")])
    with flow("open") as g:
        g.add(KIND, {"name": "c"}, after=g.event("never", key="2"))
    emit("go", key="1")
    drain()
    prune_jobs()
    assert Node.objects.filter(flow=f.id).exists()
    old = clock.db_now() - timedelta(days=90)
    Job.objects.filter(state="succeeded").update(finished_at=old)
    Emission.objects.update(emitted_at=old)
    prune_jobs()
    assert not Node.objects.filter(flow=f.id).exists()
    assert not Emission.objects.exists()
    assert Node.objects.filter(flow=g.id).count() == 3
    assert NodeEdge.objects.count() == 1
