"""What jobs are found by: the arguments that their kind names in `search=`.

The terms are written by the statement that writes the job, for such kinds only.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from celeriac.jobs.redaction import values_at
from celeriac.jobs.registry import Kind

#: Longer values are found by their beginning and the digest of their whole.
MAX_VALUE = 200
#: Of a list, the first so many; a job is not a table.
MAX_TERMS = 50


def terms_of_args(kind: Kind, args: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the (field, value) pairs of arguments, each once."""
    found: dict[tuple[str, str], None] = {}
    for name in kind.search:
        for leaf in values_at(args, tuple(name.split("."))):
            if leaf is not None and leaf != "" and len(found) < MAX_TERMS:
                found[name, clip_term(_text(leaf))] = None
    return list(found)


def clip_term(value: str) -> str:
    """Return a value as it is stored and looked for: short enough for an index."""
    if len(value) <= MAX_VALUE:
        return value
    return f"{value[: MAX_VALUE - 65]}#{sha256(value.encode()).hexdigest()}"


def _text(leaf: object) -> str:
    return str(leaf).lower() if isinstance(leaf, bool) else str(leaf)
