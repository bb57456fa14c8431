"""A schedule's arguments as people may see them, and back: what its kind redacts is redacted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django_celery_beat.models import PeriodicTask

from celeriac.jobs import registry
from celeriac.jobs.operating import redacted_args
from celeriac.jobs.redaction import MASK, OPEN, Redactor, redactor_of
from celeriac.jobs.registry import Kind


@dataclass(frozen=True, slots=True)
class TaskArguments:
    """What a schedule's row says of its arguments, secrets included; the columns are JSON text."""

    kind: Kind | None
    args: str
    kwargs: str

    @classmethod
    def of(cls, task: PeriodicTask) -> "TaskArguments":
        """Return it for a row."""
        return cls(registry.get_kind(task.task), task.args or "[]", task.kwargs or "{}")

    def shown(self) -> dict[str, str]:
        """Return both columns as they may be shown; as they are where the kind redacts nothing."""
        redactor = self._redactor()
        if redactor.is_open:
            return {"args": self.args, "kwargs": self.kwargs}
        named = redactor.args(self._by_name())
        given = [named[name] for name in self._places()]
        kwargs = {name: value for name, value in named.items() if name not in self._places()}
        return {"args": _text(given), "kwargs": _text(kwargs)}

    def restored_kwargs(self, text: str) -> str:
        """Return edited arguments with what was left redacted put back as it was.

        Raises InvalidArgs for a redaction that stands for nothing.
        """
        values, before = _read(text), _read(self.kwargs)
        if self.kind is None or MASK not in text or not isinstance(values, dict):
            return text
        return _text(
            redacted_args.restore_args(
                self.kind, values, before if isinstance(before, dict) else {}
            )
        )

    def restored_args(self, text: str) -> str:
        """Return the same of the arguments by position."""
        values = _read(text)
        if self.kind is None or MASK not in _text(values) or not isinstance(values, list):
            return text
        before = {name: self._by_name()[name] for name in self._places()}
        fields = self.kind.schema.fields
        named = dict(zip(fields, values, strict=False))
        restored = redacted_args.restore_args(self.kind, named, before)
        return _text([restored[name] for name in named] + values[len(named) :])

    def _redactor(self) -> Redactor:
        return OPEN if self.kind is None else redactor_of(self.kind, self._by_name())

    def _by_name(self) -> dict[str, Any]:
        """Return all arguments by name; those by position stand first."""
        kwargs = _read(self.kwargs)
        return self._positional() | (dict(kwargs) if isinstance(kwargs, Mapping) else {})

    def _positional(self) -> dict[str, Any]:
        given = _read(self.args)
        if self.kind is None or not isinstance(given, list):
            return {}
        return dict(zip(self.kind.schema.fields, given, strict=False))

    def _places(self) -> tuple[str, ...]:
        return tuple(self._positional())


def _read(text: str) -> Any:
    """Return JSON; a column may hold anything, and its fault is told elsewhere."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
