"""What arrives from the broker and can't be read: counted, logged once of each sort, dropped.

The broker is not trusted with anything. Nothing that lies there may end a process or keep it
from its work, and a doorbell or nudge that was dropped costs no more than a lost one.
"""

import logging

from celeriac.core.counting import counters

logger = logging.getLogger(__name__)

GARBAGE = "celeriac_garbage_total"
#: Characters of a message that the log shows.
SHOWN = 200

_logged: set[tuple[str, str]] = set()


def drop_message(source: str, what: object, why: BaseException | str) -> None:
    """Count garbage from `source` (queue, control, nudge); log the first of its sort.

    `source` is one of ours and the sort is an error's class, so that no sender can make the
    metrics or the log grow.
    """
    counters.add((GARBAGE, source))
    sort = (source, type(why).__name__)
    if sort in _logged:
        return
    _logged.add(sort)
    logger.warning(
        "an invalid message from the broker (%s) was dropped; further ones of its sort "
        "are counted only: %s: %.*s",
        source,
        f"{why!r:.200}",
        SHOWN,
        _shown(what),
    )


def _shown(what: object) -> str:
    """Return the beginning of it, for a log's line, whatever it is."""
    if isinstance(what, str | bytes):
        return repr(what[:SHOWN])
    try:
        return repr(what)
    except Exception as error:  # RecursionError and the like: it is garbage after all
        return f"<{type(what).__name__} that can't be shown: {type(error).__name__}>"
