"""Whether beats live and fire, in projects that have schedules."""

from django_celery_beat.models import PeriodicTask

from celeriac.schedules.api import lag_seconds
from celeriac.schedules.models import Beat
from celeriac.settings import conf


def beats_in_words() -> tuple[bool, str]:
    """Return whether a beat lives and fires, where there is anything to fire."""
    count = Beat.objects.living().count()
    if count and (late := lag_seconds()) > conf.SCHEDULES_LATE_SECONDS:
        return False, f"{count} living, and a tick has been due for {late:.0f} s"
    if count:
        return True, f"{count} living"
    if not PeriodicTask.objects.filter(enabled=True).exists():
        return True, "nothing is scheduled"
    return False, f"none has beaten within {conf.SCHEDULES_BEAT_LEASE_SECONDS:g} s"
