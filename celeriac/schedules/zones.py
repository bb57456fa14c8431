"""Time zones as rows have them, one that this machine does not know included.

django-celery-beat's column makes an object of the zone's name as a row is read, and fails for
an unknown one: a single such row (written by hand, or where zones are newer) would take down
every page, command and answer that lists schedules. It is read as UnknownZone instead, and
its schedule bears the fault.
"""

from datetime import datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django_celery_beat.models import CrontabSchedule

UTC = ZoneInfo("UTC")


class UnknownZone(tzinfo):
    """A zone by its name alone; its clocks are taken to show UTC."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def __str__(self) -> str:
        """Return the name as the row has it."""
        return self.name

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(0)

    def dst(self, moment: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, moment: datetime | None) -> str:
        """Return what its clocks are taken to show."""
        return "UTC"


def find_zone(name: str) -> ZoneInfo | None:
    """Return the zone of that name, None where this machine has none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # zoneinfo's ways to say no
        return None


def read_unknown() -> None:
    """Let crontabs be read whatever zone their rows name; writing is as strict as before."""
    field: Any = CrontabSchedule._meta.get_field("timezone")
    strict = field._get_python_and_db_repr

    def represented(value: object) -> tuple[Any, str]:
        return (value, value.name) if isinstance(value, UnknownZone) else strict(value)

    def from_database(value: str, *_: object) -> object:
        try:
            return strict(value)[0]
        except ValidationError:
            return UnknownZone(value)

    field._get_python_and_db_repr = represented
    field.from_db_value = from_database
