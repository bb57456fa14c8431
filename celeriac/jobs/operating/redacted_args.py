"""Arguments on their way through an operator's hands: redacted, and restored. Pure: no Django."""

from collections.abc import Mapping
from typing import Any

from celeriac.jobs.errors import InvalidArgs
from celeriac.jobs.redaction import MASK, redactor_of
from celeriac.jobs.registry import Kind


def redact_args(kind: Kind, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as they may be shown."""
    shown: dict[str, Any] = redactor_of(kind, args).args(args)
    return shown


def restore_args(kind: Kind, args: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return edited arguments with what came back as it was shown put back as it was.

    Raises InvalidArgs for a redaction that stands for nothing: it would be taken for a value.
    """
    restored: dict[str, Any] = _restored(args, redact_args(kind, before), before)
    if kind.redact and MASK in str(restored) and MASK not in str(before):
        problem = {"args": f"{MASK} stands where no secret was: write the value itself"}
        raise InvalidArgs(f"args: {problem['args']}", errors=problem)
    return restored


def _restored(new: Any, shown: Any, before: Any) -> Any:
    if new == shown:
        return before
    if isinstance(new, Mapping) and isinstance(shown, Mapping) and isinstance(before, Mapping):
        return {
            name: _restored(value, shown[name], before[name])
            if name in shown and name in before
            else value
            for name, value in new.items()
        }
    if isinstance(new, list) and isinstance(before, list) and len(new) == len(before):
        return [_restored(*each) for each in zip(new, shown, before, strict=True)]
    return new
