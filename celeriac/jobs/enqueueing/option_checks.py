"""What a call's options may be. Pure: touches no row."""

import math
import re
from datetime import UTC, datetime, timedelta

from celeriac.core.arguments import LONGEST
from celeriac.jobs.enqueueing import templates
from celeriac.jobs.errors import InvalidOption
from celeriac.jobs.models.job import MAX_PRIORITY, MIN_PRIORITY

_UNFIT = re.compile("[\x00\ud800-\udfff]")
LENGTHS = {
    "idempotency_key": 255,
    "unique_key": templates.MAX_KEY,
    "lock_key": templates.MAX_KEY,
    "tenant": 200,
    "callback_url": 2000,
    "scope": 200,
    "enqueued_by": 254,
    "fingerprint": 64,
    "task_id": 500,
}


def checked_priority(value: object) -> int:
    """Return a priority in range, or refuse it."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidOption(f"priority is a whole number, not {value!r}.")
    if not MIN_PRIORITY <= value <= MAX_PRIORITY:
        raise InvalidOption(
            f"priority {value} is outside {MIN_PRIORITY} to {MAX_PRIORITY} (higher runs first)."
        )
    return value


def checked_moment(name: str, value: object) -> datetime:
    """Return an aware datetime in UTC, or refuse the option `name`."""
    if not isinstance(value, datetime):
        raise InvalidOption(f"{name} is a datetime, not {type(value).__name__}.")
    if value.utcoffset() is None:
        raise InvalidOption(
            f"{name} is naive, so nobody knows which moment it means: give it a time zone, "
            "as django.utils.timezone.now() does."
        )
    try:
        return value.astimezone(UTC)  # PostgreSQL knows no zones as far off as Python does
    except OverflowError:
        raise InvalidOption(f"{name} is outside the years 1 to 9999, in UTC.") from None


def checked_span(name: str, value: object) -> float:
    """Return seconds of a number or a timedelta, or refuse the option `name`."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise InvalidOption(f"{name} is a number of seconds or a timedelta, not {value!r}.")
    if not 0 <= value <= LONGEST:
        raise InvalidOption(f"{name} of {value:g} s is outside 0 to ten years.")
    return float(value)


def check_text(name: str, value: object) -> None:
    """Refuse what is no text, is too long, or can't be stored."""
    if value is None or value == "":
        if value == "" and name.endswith("_key"):
            raise InvalidOption(f"{name} is empty: leave it out, or give it a value.")
        return
    if not isinstance(value, str):
        raise InvalidOption(f"{name} is text, not {type(value).__name__}.")
    if len(value) > LENGTHS[name]:
        raise InvalidOption(
            f"{name} has {len(value)} characters, {LENGTHS[name]} are allowed: "
            "use a digest of it, such as its SHA-256."
        )
    if _UNFIT.search(value):
        raise InvalidOption(f"{name} holds a NUL character or half a surrogate pair.")
