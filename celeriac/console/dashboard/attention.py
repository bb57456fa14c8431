"""What an operator should look at first, in sentences that say what is wrong and what to do."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps

from celeriac.console.dashboard import links
from celeriac.jobs import phrases
from celeriac.jobs.holds import CIRCUIT, UNKNOWN_KIND
from celeriac.jobs.models import Job
from celeriac.jobs.operating.stopped import IN_A_ROW
from celeriac.settings import celery_app, conf

Facts = dict[str, Any]
#: Roll-ups come every minute; after so long the charts stand still.
STILL = timedelta(minutes=5)
#: Kinds of dead letters that the sentence names.
NAMED = 3
STOPPED_REMEDY = (
    "Give stops more time (SHUTDOWN_GRACE_SECONDS, and the supervisor's), or have its handler ask"
    " current_job().should_stop() and go on where it stopped."
)


def attention_sentences(
    facts: Facts, now: datetime, upto: datetime | None, of_apps: list[dict[str, str]]
) -> list[dict[str, str]]:
    """Return what is wrong, gravest first, from the sections that the reader may see.

    `of_apps` is what apps add (core/plugins.py).
    """
    found = [
        *_dispatchers(facts),
        *_workers(facts),
        *_silent(facts),
        *_beats(facts),
        *_schedules(facts),
        *_circuits(facts),
        *_queues(facts),
        *_unknown(facts),
        *_stopped(facts),
        *of_apps,
        *_dead(facts),
        *_charts(facts, now, upto),
    ]
    return sorted(found, key=lambda each: each["level"] != "danger")


def _say(level: str, text: str, url: str = "") -> dict[str, str]:
    return {"level": level, "text": text, "url": url}


def _dispatchers(facts: Facts) -> Iterator[dict[str, str]]:
    queues = facts.get("queues", [])
    idle = [queue for queue in queues if not queue["dispatched"]]
    if queues and len(idle) == len(queues):
        yield _say("danger", "No dispatcher runs, so no job starts. Start `manage.py dispatcher`.")
        return
    for queue in idle:
        if queue["waiting"]:
            text = f"No dispatcher holds the queue {queue['name']}: {_jobs(queue)}."
            yield _say("danger", text, queue["url"])


def _workers(facts: Facts) -> Iterator[dict[str, str]]:
    for queue in facts.get("queues", []):
        if queue["waiting"] and not queue["worked"]:
            text = f"No living worker serves the queue {queue['name']}: {_jobs(queue)}."
            yield _say("danger", text, queue["url"])
    for worker in facts.get("workers", []):
        if not worker["alive"] and not worker["over"]:
            text = f"Worker {worker['name']} has been silent for {_span(worker['age'])}."
            yield _say("warning", f"{text} {_rescue(facts)}", worker["url"])


def _silent(facts: Facts) -> Iterator[dict[str, str]]:
    """Whoever lives and does nothing, though there was something to do."""
    for each in facts.get("silent", []):
        text = f"{each['sentence']}, for {_span(each['age'])} now. {each['todo']}"
        yield _say("danger", text)


def _rescue(facts: Facts) -> str:
    """Return what becomes of a silent worker's jobs."""
    queues = facts.get("queues", [])
    if queues and not any(queue["dispatched"] for queue in queues):
        return "Its jobs wait for a dispatcher to take them back."
    return "A dispatcher takes its jobs back."


def _beats(facts: Facts) -> Iterator[dict[str, str]]:
    if "beats" not in facts:
        return
    late = max((tick["late"] for tick in facts["ticks"] if not tick["paused"]), default=0.0)
    if facts["ticks"] and not any(beat["alive"] for beat in facts["beats"]):
        start = f"Start `celery -A {celery_app()} beat`."
        yield _say("danger", f"No beat lives, so no schedule fires. {start}")
    elif late > conf.SCHEDULES_LATE_SECONDS:
        yield _say("warning", f"Beat is behind: a tick has been due for {_span(late)}.")


def _schedules(facts: Facts) -> Iterator[dict[str, str]]:
    """Those that can't fire: nothing else would say so than a job that is not there."""
    found = facts.get("faults", [])
    for each in found[:NAMED]:
        why = each["fault"].removeprefix(f"{each['name']}: ").rstrip(".?")
        text = f"The schedule {each['name']} makes no job: {why}."
        yield _say("warning", text, each["url"])
    if (others := len(found) - NAMED) > 0:
        makes = "makes no job, either" if others == 1 else "make no jobs, either"
        text = f"{phrases.count(others, 'more schedule')} {makes}."
        yield _say(
            "warning", text, links.list_link(apps.get_model("django_celery_beat.PeriodicTask"))
        )


def _circuits(facts: Facts) -> Iterator[dict[str, str]]:
    held = {
        row["by"]: row["count"] for row in facts.get("parked", []) if row["reason"] == CIRCUIT.code
    }
    for circuit in facts.get("circuits", []):
        if circuit["fine"]:
            continue
        text = f"The circuit {circuit['name']} is {circuit['state'].replace('_', '-')}"
        if circuit["by"]:
            text += f" by {circuit['by']}"
        if circuit["reason"] or circuit["last_error"]:
            text += f" ({circuit['reason'] or circuit['last_error']})"
        if count := held.get(circuit["name"]):
            text += f": {phrases.count(count, 'job')} {'is' if count == 1 else 'are'} parked"
        yield _say("warning", f"{text}.", circuit["url"])


def _queues(facts: Facts) -> Iterator[dict[str, str]]:
    for queue in facts.get("queues", []):
        if queue["pause"]:
            pause = queue["pause"]
            by = f" by {pause['by']}" if pause["by"] else ""
            why = f": {pause['reason']}" if pause["reason"] else ""
            held = _jobs(queue) if queue["waiting"] else "Nothing waits"
            text = f"The queue {queue['name']} is paused{by}{why}. {held}."
            yield _say("warning", text, queue["url"])
        elif (
            queue["oldest_free"] > conf.ATTENTION_WAIT_SECONDS
            and queue["dispatched"]
            and queue["worked"]
        ):
            # What is parked has its own sentence, and so has a queue that nobody serves.
            age = _span(queue["oldest_free"])
            text = f"The oldest due job of {queue['name']} has waited {age}, and nothing holds it."
            yield _say("warning", text, links.jobs_link(queue=queue["name"], state="queued"))


def _unknown(facts: Facts) -> Iterator[dict[str, str]]:
    """A kind that nobody declares: its jobs wait for ever unless somebody does something."""
    for row in facts.get("parked", []):
        if row["reason"] == UNKNOWN_KIND.code:
            least = "At least " if row["at_least"] else ""
            waits = f"{least}{phrases.waits(row['count'])}"
            text = f"{waits} for a kind that nobody declares: deploy its code, or cancel."
            yield _say("warning", text, links.jobs_link(state="queued"))


def _stopped(facts: Facts) -> Iterator[dict[str, str]]:
    """Jobs that no deploy lets end: they begin anew each time, and nothing fails."""
    found = facts.get("stopped", [])
    for each in found[:NAMED]:
        url = links.page_link(Job, each["id"])
        yield _say("warning", f"{stopped_in_words(each)}. {STOPPED_REMEDY}", url)
    if (others := len(found) - NAMED) > 0:
        text = f"So {'was' if others == 1 else 'were'} {phrases.count(others, 'more job')}."
        yield _say("warning", text, links.jobs_link())


def stopped_in_words(job: Facts) -> str:
    """Return that the stops of its workers cut a job short again and again."""
    return f"A job of {job['kind']} was cut short by {IN_A_ROW} stops of its workers in a row"


def _dead(facts: Facts) -> Iterator[dict[str, str]]:
    """Those that nobody has dealt with, however long ago they died."""
    if "dead" not in facts or not facts["dead"]["open"]["count"]:
        if facts.get("dead", {}).get("unseen"):
            yield _say("warning", unseen_in_words(facts["dead"]), facts["dead"]["url"])
        return
    text = f"{dead_in_words(facts['dead'])}. Retry, or say what was done about it."
    yield _say("warning", text, facts["dead"]["url"])


def dead_in_words(dead: Facts) -> str:
    """Return how many dead letters nobody has dealt with, of which kinds, and since when."""
    found = dead["open"]
    least = "At least " if dead["at_least"] else ""
    named = [f"{number:,} of {kind}" for kind, number in found["kinds"][:NAMED]]
    if others := len(found["kinds"]) - NAMED:
        named += [f"others of {phrases.count(others, 'more kind')}"] if others > 0 else []
    since = phrases.clock_time(found["since"])
    died = f"{least}{phrases.count(found['count'], 'job')} died since {since}"
    them = "it" if found["count"] == 1 else "them"
    return f"{died} and nobody has dealt with {them}: {', '.join(named)}"


def unseen_in_words(dead: Facts) -> str:
    """Return that some dead letters were not looked at, since there are so many newer ones."""
    since = phrases.clock_time(dead["oldest"])
    text = (
        f"{dead['count']:,} dead letters were dealt with; those before {since} were not looked at"
    )
    return f"{text}: read the list, or say of all of them what was done."


def _charts(facts: Facts, now: datetime, upto: datetime | None) -> Iterator[dict[str, str]]:
    if "queues" in facts and (upto is None or upto < now - STILL):
        since = f" since {upto:%Y-%m-%d %H:%M} UTC" if upto else ""
        text = f"The charts have stood still{since}: the job maintenance.roll_up has not run."
        yield _say("warning", text, links.jobs_link(kind="maintenance.roll_up"))


def _jobs(queue: Facts) -> str:
    more = f"{queue['more']} " if queue["more"] else ""
    return f"{more}{phrases.waits(queue['waiting'])}"


def _span(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
