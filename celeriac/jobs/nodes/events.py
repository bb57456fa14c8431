"""Events by name and key: the first emission counts, and is kept for those who wait later."""

import json
from typing import Any
from uuid import UUID, uuid5

from pydantic_core import PydanticSerializationError, to_jsonable_python

from celeriac.core import tables
from celeriac.core.queries import fetch_row
from celeriac.jobs import nudge
from celeriac.jobs.enqueueing.locks import bounded_wait
from celeriac.jobs.errors import InvalidOption
from celeriac.settings import conf

_SPACE = UUID("6f0c1d3e-57a8-4f0e-9d53-6b1f1a0c7e11")
_LONGEST = 255
_EMIT = f"""
INSERT INTO {tables.EMISSION} (id, name, key, payload, emitted_by)
VALUES (%s, %s, %s, %s::jsonb, %s) ON CONFLICT (id) DO NOTHING RETURNING true
"""


def event_id(name: str, key: str) -> UUID:
    """Return the id that an event's emission has, whenever it comes.

    Raises:
        InvalidOption: name or key is no text of 1 to 255 characters.
    """
    for what, text in (("name", name), ("key", key)):
        if not isinstance(text, str) or not 0 < len(text) <= _LONGEST or "\0" in text:
            raise InvalidOption(f"An event's {what} is text of 1 to {_LONGEST}, not {text!r:.60}.")
    return uuid5(_SPACE, f"{len(name)}:{name}:{key}")


def write_emission(name: str, key: str, payload: Any = None, *, by: str = "") -> bool:
    """Write an event in the open transaction; return whether it was the first of its name and key.

    Those who wait for it are told once that commits.

    Raises:
        InvalidOption: name, key or payload does not fit.
        EnqueueBusy: another transaction emits it, and takes too long.
    """
    identity = event_id(name, key)
    try:
        text = json.dumps(to_jsonable_python(payload), allow_nan=False)
    except (PydanticSerializationError, ValueError) as error:
        raise InvalidOption(f"The payload of {name!r} is no JSON: {error}") from error
    if len(text) > conf.MAX_RESULT_BYTES or "\\u0000" in text:
        raise InvalidOption(
            f"The payload of {name!r} takes {len(text):,} characters, {conf.MAX_RESULT_BYTES:,} "
            "are allowed (CELERIAC['MAX_RESULT_BYTES']), none of them NUL."
        )
    with bounded_wait(f"the event {name!r}"):
        row = fetch_row(_EMIT, [identity, name, key, text, by])
    nudge.nudge_nodes(nodes=[identity])
    return row is not None
