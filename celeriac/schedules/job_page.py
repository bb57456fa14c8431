"""What schedules know of a job: the tick that made it."""

from celeriac.jobs import job_pages
from celeriac.jobs.job_pages import JobPageSection
from celeriac.jobs.models import Job
from celeriac.jobs.phrases import Event, Link
from celeriac.schedules.models import Tick


def register_sections() -> None:
    """Let jobs' pages ask."""
    job_pages.register_section(
        "schedules", is_scheduled, section_of_job, permission="celeriac_schedules.view_tick"
    )


def is_scheduled(job: Job) -> bool:
    """Whether a schedule made the job."""
    return job.tick is not None


def section_of_job(job: Job) -> JobPageSection | None:
    """Return the schedule, the tick, and when it was due."""
    ticks = Tick.objects.select_related("periodic_task")
    tick = ticks.filter(id=job.tick).first() if job.tick else None
    if tick is None:
        return None
    task = tick.periodic_task
    schedule = Link(f"Schedule {task.name}", task._meta.label_lower, (str(task.pk),))
    page = Link(
        f"Tick {tick.scheduled_for:%Y-%m-%d %H:%M:%S}", Tick._meta.label_lower, (str(tick.id),)
    )
    text = f"{task.name}, decided by {tick.source}" + (f": {tick.reason}" if tick.reason else "")
    event = Event(tick.scheduled_for, "Its tick was due", text, "idle", links=(page,))
    return JobPageSection(links=(schedule, page), events=(event,))
