"""Any beat fires a project's own tasks that are jobs: each tick is a row."""

from importlib.util import find_spec

from django_celery_beat.models import IntervalSchedule, PeriodicTask

from celeriac.jobs.models import Job
from tests.support.processes import wait_until

BEATS = {
    "persistent": "celery.beat:PersistentScheduler",
    "stored": "django_celery_beat.schedulers:DatabaseScheduler",
    # Where it is installed: it is nothing that this platform needs.
    **({"redbeat": "redbeat.RedBeatScheduler"} if find_spec("redbeat") else {}),
}


def fired(*args):
    """Return by whom the jobs were written that a beat has fired with these arguments."""
    return set(
        Job.objects.filter(kind="acme.note", args__args=list(args)).values_list(
            "enqueued_by", flat=True
        )
    )


def test_each_beat_fires_entries_signatures_and_rows(processes, tmp_path):
    """Celery's own, django-celery-beat's, redbeat: by the same call, whatever headers they add."""
    every, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
    PeriodicTask.objects.create(
        name="a row", task="acme.note", interval=every, args='["of a row"]', one_off=True
    )
    beats = []
    for name, scheduler in BEATS.items():
        command = ["-m", "celery", "-A", "tests.app.acme", "beat", "-S", scheduler]
        if name == "persistent":
            command += ["-s", str(tmp_path / "beat")]
        beats.append(processes.python(f"beat-{name}", *command, env={"ACME_TICK": name}))
    for name in BEATS:
        wait_until(lambda each=name: fired(each), message=f"{name} fires an entry")
        wait_until(lambda each=name: fired(f"{each} by signature"), message=f"{name}, a signature")
    wait_until(lambda: fired("of a row"), message="a row fires")
    for beat in beats:
        beat.kill_group()
    assert fired("persistent") == {"beat"}
    assert fired("of a row") == {"beat: a row"}
