"""Flows: a job waits for two groups, one of which grows, and is unblocked once per generation.

A small world of its own. Any free worker claims what is queued; its settle commits, then a nudge
names the group. A dispatcher that heard it looks, locks the group, looks again under the lock,
locks the follower, and closes in one commit. Growing, an operator's retry and the flow's cancel
are transactions of others in between.
"""

from dataclasses import dataclass, replace

from tests.model.flows_closing import dispatches
from tests.model.flows_operator import operates
from tests.model.flows_world import (
    ADDED,
    CLOSED,
    DESIGN,
    FENCED,
    FOLLOWER,
    GROUPS,
    ORACLE,
    A,
    B,
    Faults,
    Job,
    Keep,
    Now,
    Run,
    is_held,
    is_over,
    set_job,
    spend,
    verdict,
)


@dataclass(frozen=True)
class Flow:
    """A configuration; `goes_on` is the groups' if_dead="go_on", else it is "stop"."""

    name: str = "flow of jobs"
    rules: Keep = DESIGN
    faults: Faults = Faults()  # noqa: RUF009 it is frozen
    grows: bool = False
    goes_on: bool = False
    dispatchers: int = 2

    @property
    def bound(self):
        """The bound in words."""
        left = vars(self.faults)
        there = ["4 jobs", "2 groups", f"{self.dispatchers} dispatchers"]
        there += ["a member added"] * self.grows + ["goes on"] * self.goes_on
        return ", ".join([*there, *(f"{count} {what}" for what, count in left.items() if count)])

    @property
    def initial(self):
        """The flow is committed: A and B may run, the follower waits."""
        jobs = Job("queued"), Job(""), Job("queued"), Job("waiting")
        faults = tuple((what, count) for what, count in vars(self.faults).items() if count)
        return Now(jobs, faults=faults)

    def mutate(self, **rules):
        """Return the same with other rules."""
        return replace(self, rules=self.rules._replace(**rules))

    def moves(self, now):
        """Yield (label, world after, fair)."""
        yield from _claims(now, self.rules)
        for run in now.runs:
            yield from _run(now, run, self)
        yield from _tells(now, self.rules, self.dispatchers)
        for index in range(self.dispatchers):
            yield from dispatches(now, index, self)
        yield from operates(now, self)

    def broken(self, now):
        """Return the invariant that `now` breaks, or nothing."""
        if now.broken or not is_over(now):
            return now.broken
        good = all(verdict(now, group) == "good" for group in (A, B))
        expected = "succeeded" if good or self.goes_on else "cancelled"
        states = [group.state for group in now.groups]
        if states != [verdict(now, group) for group in (A, B)]:
            return ORACLE
        return "" if now.called_off or now.jobs[FOLLOWER].state == expected else ORACLE

    def done(self, now):
        """Return whether the flow has ended."""
        return is_over(now)


def _claims(now, rules):
    for job, row in enumerate(now.jobs):
        if row.state in ("queued", "again"):
            claim = 1 + max([0, *(run.claim for run in now.runs)])
            after = set_job(now, job, state="running", claim=claim, durable=False)
            runs = tuple(sorted((*now.runs, Run(job, claim))))
            if not rules.nudges_after_commit and job != FOLLOWER:
                after = after._replace(to_tell=after.to_tell | {GROUPS[job]})
            yield f"job {job} is claimed", after._replace(runs=runs), True
        held = rules.adding_holds_fence and _is_adding(now, job, row.claim)
        if row.state == "running" and not held and (after := spend(now, "worker")):
            after = set_job(after, job, state="again", claim=0)
            yield f"job {job} is rescued; its run goes on", after, False
        if row.state == "running" and not row.durable and (after := spend(now, "failover")):
            lost = set_job(after, job, state="queued", claim=0)
            runs = tuple(run._replace(adding=False) for run in now.runs)
            lost = lost._replace(runs=runs, busy=(None, None), lossless=False)
            yield f"a failover forgets the claim of job {job}", lost, False


def _is_adding(now, job, claim):
    return any(run.adding and (run.job, run.claim) == (job, claim) for run in now.runs)


def _owns(now, run):
    row = now.jobs[run.job]
    return row.state == "running" and row.claim == run.claim


def _run(now, run, model):
    if run.adding:
        yield "job 2 commits what it adds", _added(now, run, model.rules), True
        return
    runs = tuple(each for each in now.runs if each != run)
    over = now._replace(runs=runs)
    if not _owns(now, run):
        yield f"a lost run of job {run.job} is refused", over, True
    else:
        yield from _settles(now, over, run, model)
    if model.grows and run.job == 2 and not run.added:
        yield from _adds(now, run, model.rules)


def _settles(now, over, run, model):
    endings = ["succeeded"]
    endings += ["dead"] if dict(now.faults).get("dies") and run.job == 0 else []
    endings += ["again"] if dict(now.faults).get("again") else []
    for ending in endings:
        after = over
        if ending != "succeeded":
            after = spend(after, "dies" if ending == "dead" else "again")
        if now.called_off and ending != "succeeded":
            ending = "cancelled"
        after = set_job(after, run.job, state=ending, claim=0, durable=True)
        if ending == "again" and model.rules.counts_retries_open:
            yield f"job {run.job} fails and runs again", after, True
        elif run.job == FOLLOWER:
            yield f"job {run.job} ends {ending}", after, True
        else:
            yield f"job {run.job} ends {ending}", _told(after, run.job, model.rules), True


def _told(after, job, rules):
    """After the commit somebody tells of it; a mutant has told before."""
    group = GROUPS[job]
    if rules.nudges_after_commit:
        return after._replace(to_tell=after.to_tell | {group})
    return after


def _adds(now, run, rules):
    if is_held(now, A) and rules.adding_locks_group:
        return
    if rules.adding_is_fenced and not _owns(now, run):
        return
    if rules.adds_to_open and now.groups[A].state != "open":
        return
    if now.called_off:
        return
    adding = run._replace(adding=True)
    runs = tuple(sorted(adding if each == run else each for each in now.runs))
    yield "job 2 adds a member to A", now._replace(runs=runs), True


def _added(now, run, rules):
    done = run._replace(adding=False, added=True)
    after = now._replace(runs=tuple(sorted(done if each == run else each for each in now.runs)))
    if now.jobs[ADDED].state == "":
        after = set_job(after, ADDED, state="queued")
    if not _owns(now, run):
        return after._replace(broken=FENCED)
    return after._replace(broken=CLOSED) if now.groups[A].state != "open" else after


def _tells(now, rules, dispatchers):
    for group in sorted(now.to_tell):
        rest = now._replace(to_tell=now.to_tell - {group})
        heard = tuple(
            each | {group} if _hears(now, index, group, rules, dispatchers) else each
            for index, each in enumerate(now.heard)
        )
        yield f"a nudge names {'AB'[group]}", rest._replace(heard=heard), True
        if (lost := spend(rest, "lost")) is not None:
            yield f"the nudge for {'AB'[group]} is lost", lost._replace(lossless=False), False


def _hears(now, index, group, rules, dispatchers):
    """Return whether a nudge reaches a dispatcher; a mutant is deaf while it looks at the group."""
    closing = now.busy[index]
    is_busy = closing is not None and closing.group == group
    return index < dispatchers and (rules.hears_while_busy or not is_busy)
