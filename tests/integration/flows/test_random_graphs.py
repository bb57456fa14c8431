"""Random flows under random orders, lost nudges, lost runs and retries end as an oracle says."""

from uuid import uuid4

from hypothesis import HealthCheck, given, settings, strategies as st

from celeriac import flow, retry
from celeriac.core.queries import fetch_rows
from celeriac.jobs.models import Job, Node
from celeriac.jobs.nodes.closing import close_nodes
from celeriac.jobs.nodes.watching import settle_nodes
from celeriac.jobs.outcomes import loss
from celeriac.jobs.registry import find_kind
from celeriac.jobs.running import execute
from celeriac.jobs.running.claim import claim_jobs
from celeriac.jobs.running.execute import WorkerContext, capabilities
from celeriac.jobs.running.finish import settle_and_follow_up
from celeriac.jobs.running.run import Run

KIND = "test.scripted"
CONDITIONS = ("done", "succeeded", "ended", "died")


@st.composite
def graphs(draw, conditions=CONDITIONS, if_dead=("stop", "go_on")):
    """Return parts: (members, whether each dies; if_dead; edges to earlier parts)."""
    parts = []
    for number in range(draw(st.integers(1, 6))):
        members = draw(st.lists(st.booleans(), min_size=0, max_size=3))
        befores = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        edges = [(each, draw(st.sampled_from(conditions))) for each in sorted(befores)]
        parts.append((members, draw(st.sampled_from(if_dead)), edges))
    return parts


def oracle(parts):
    """Return how each part ends, and who may run: a few lines of plain graph code.

    Of a part that stops at a death only the first to die, and who has run before, are known.
    """
    ends = []
    for members, _, edges in parts:
        lost = ""
        for before, condition in edges:
            end, dead = ends[before], parts[before][1]
            holds = {
                "ended": True,
                "died": end in ("dead", "cancelled"),
                "succeeded": end == "succeeded",
                "done": end == "succeeded" or (dead == "go_on" and end in ("dead", "cancelled")),
            }[condition]
            if not holds:
                skips = condition == "died" or end == "skipped"
                lost = "cancelled" if lost == "cancelled" or not skips else "skipped"
        ends.append(lost or ("dead" if any(members) else "succeeded"))
    return ends


class Player:
    """Plays a flow in some order."""

    def __init__(self, parts, script):
        self.script, script.ran, script.deadly = script, [], set()
        with flow("random") as f:
            made = []
            for number, (members, if_dead, edges) in enumerate(parts):
                names = [f"{number}.{place}" for place in range(len(members))]
                script.deadly |= {n for n, dies in zip(names, members, strict=True) if dies}
                after = [_end(made[before], condition) for before, condition in edges]
                args = [{"name": name} for name in names]
                made.append(f.group(KIND, args, after=after, if_dead=if_dead, name=str(number)))
        self.id, self.parts = f.id, parts
        self.context = WorkerContext(worker=uuid4(), capabilities=capabilities())

    def step(self, choice):
        """Do one thing by a number: run a job, lose a run, or look at any nodes in any order."""
        queued = list(Job.objects.queued().order_by("id").values_list("id", flat=True))
        what, which = choice % 4, choice // 4
        if what in (0, 1) and queued:
            execute.answer_doorbell([queued[which % len(queued)]], context=self.context)
        elif what == 2 and queued:
            self._lose(queued[which % len(queued)])
        else:
            nodes = list(Node.objects.filter(flow=self.id).order_by("id"))
            close_nodes([nodes[which % len(nodes)].id, nodes[choice % len(nodes)].id])
        self.check()

    def _lose(self, job_id):
        claim = uuid4()
        known = capabilities()
        for job in claim_jobs([job_id], claim_id=claim, worker=uuid4(), known=known):
            run = Run(job, find_kind(job.kind), claim)
            run.decide(loss("killed"))
            settle_and_follow_up([run])

    def check(self):
        """Nothing was unblocked early, and no group is closed while a member may run."""
        assert not fetch_rows(_EARLY, [self.id])
        assert not fetch_rows(_CLOSED, [self.id])

    def finish(self):
        """Run all that is left."""
        for _ in range(200):
            settle_nodes()
            queued = list(Job.objects.queued().order_by("id").values_list("id", flat=True))
            if not queued:
                break
            execute.answer_doorbell(queued[:1], context=self.context)
        nodes = Node.objects.filter(flow=self.id).exclude(pk=self.id).order_by("id")
        return [node.state for node in nodes]


#: What runs or has run, although what it waits for has not ended.
_EARLY = """
SELECT 1 FROM celeriac_jobs_node n JOIN celeriac_jobs_nodeedge e ON e.after = n.id
JOIN celeriac_jobs_node b ON b.id = e.before
WHERE n.flow = %s AND n.state = 'open' AND n.generation = 0 AND b.generation = 0
  AND b.state IN ('waiting', 'open')
"""
_CLOSED = """
SELECT 1 FROM celeriac_jobs_node n JOIN celeriac_jobs_job j ON j.node = n.id
WHERE n.flow = %s AND n.state NOT IN ('waiting', 'open')
  AND j.state IN ('waiting', 'queued', 'running')
"""


def _end(part, condition):
    return part if condition == "done" else getattr(part, condition)


CHOICES = st.lists(st.integers(0, 400), max_size=30)
STEADY = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@STEADY
@given(parts=graphs(), choices=CHOICES)
def test_a_flow_ends_as_plain_graph_code_says(db, script, parts, choices):
    """In whatever order its jobs run and its nodes are looked at; each job runs to its end once."""
    Job.objects.all().delete()
    player = Player(parts, script)
    for choice in choices:
        player.step(choice)
    ends = player.finish()
    assert ends == oracle(parts)
    assert len(script.ran) == len(set(script.ran))
    assert Node.objects.get(pk=player.id).is_finished


@STEADY
@given(parts=graphs(conditions=("done", "succeeded"), if_dead=("stop", "wait")), choices=CHOICES)
def test_after_retries_of_all_who_died_a_flow_has_succeeded(db, script, parts, choices):
    """Retries come at any time, and what has succeeded has run once."""
    Job.objects.all().delete()
    player = Player(parts, script)
    for choice in choices:
        player.step(choice)
        dead = Job.objects.dead().order_by("id")
        if choice % 3 == 0 and (job := dead.first()) is not None:
            script.deadly.discard(job.args["name"])
            retry(job.id)
            player.check()
    while player.finish() and (dead := list(Job.objects.dead())):
        for job in dead:
            script.deadly.discard(job.args["name"])
            retry(job.id)
    assert set(player.finish()) <= {"succeeded"}
    assert Node.objects.get(pk=player.id).state == "succeeded"
    good = [name for name in script.ran if name not in _died(parts)]
    assert (
        len(good) == len(set(good)) == sum(len(members) - sum(members) for members, _, _ in parts)
    )


def _died(parts):
    return {
        f"{number}.{place}"
        for number, (members, _, _) in enumerate(parts)
        for place, dies in enumerate(members)
        if dies
    }
