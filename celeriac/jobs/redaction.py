"""Redacting what a kind declares secret (`redact=`). Pure: no Django.

`redact=("card", "customer.email", "result.token")` names arguments, places inside
them, and places in the result. What is named is redacted wherever it is shown, and so
is its value where it turns up again: in the result, an error, a traceback, a log line.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from celeriac.jobs import registry, secret_forms
from celeriac.jobs.errors import InvalidArgs
from celeriac.jobs.registry import Kind

MASK = "•••"

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Redactor:
    """What redacts the secrets of one job."""

    #: Places in the arguments, and in the result. An empty one is all of it.
    args_paths: tuple[Path, ...] = ()
    result_paths: tuple[Path, ...] = ()
    #: The values that are redacted wherever they turn up.
    secrets: frozenset[str] = frozenset()
    #: Of the arguments, what repeats the others for the machine alone.
    hidden: frozenset[str] = frozenset()

    @property
    def is_open(self) -> bool:
        """Whether nothing is secret."""
        return not (self.args_paths or self.result_paths or self.secrets)

    def args(self, value: Any) -> Any:
        """Return a copy of the arguments that may be shown."""
        if self.hidden and isinstance(value, Mapping):
            value = {name: item for name, item in value.items() if name not in self.hidden}
        return self._value(_redacted(value, self.args_paths))

    def result(self, value: Any) -> Any:
        """Return a copy of a result, or of a progress, that may be shown."""
        named = {path[-1] for path in (*self.args_paths, *self.result_paths) if path}
        return self._value(_redacted(_unnamed(value, named), self.result_paths))

    def text(self, value: str) -> str:
        """Return a text, such as an error or a traceback, that may be shown."""
        return (
            secret_forms.secret_finder(self.secrets).sub(MASK, value)
            if value and self.secrets
            else value
        )

    def _value(self, value: Any) -> Any:
        if not self.secrets:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return MASK if str(value) in self.secrets else value
        if isinstance(value, Mapping):
            return {self.text(str(name)): self._value(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._value(item) for item in value]
        return value


#: For kinds that declare nothing secret.
OPEN = Redactor()


def redactor_for(kind: str, args: Any) -> Redactor:
    """Return what redacts the secrets of a job of that kind with these arguments.

    Of a kind that is not declared here nobody can say what is secret: every argument is.
    """
    declared = registry.get_kind(kind)
    if declared is None:
        return _redactor([()], [], args)
    return redactor_of(declared, args)


def redactor_of(kind: Kind, args: Any) -> Redactor:
    """Return what redacts the secrets of a job of the kind; arguments may still be JSON text."""
    if not kind.redact:
        return Redactor(hidden=kind.schema.hidden) if kind.schema.hidden else OPEN
    paths = [tuple(name.split(".")) for name in kind.redact]
    in_args = [path for path in paths if path[0] != "result"]
    in_result = [path[1:] for path in paths if path[0] == "result"]
    values = json.loads(args) if isinstance(args, str) else args
    try:
        named = kind.schema.named(values)
    except InvalidArgs:  # of an older signature: nobody can say which of them is secret
        return _redactor([()], in_result, values)
    # A row that keeps its arguments otherwise (by place) is redacted by their values.
    return _redactor(in_args, in_result, named)


def _redactor(in_args: list[Path], in_result: list[Path], args: Any) -> Redactor:
    leaves = (leaf for path in in_args for leaf in values_at(args, path))
    secrets = {str(leaf) for leaf in leaves if not (leaf is None or isinstance(leaf, bool))}
    return Redactor(tuple(in_args), tuple(in_result), frozenset(secrets - {""}))


def _redacted(value: Any, paths: Iterable[Path]) -> Any:
    for path in paths:
        value = _redact_at(value, path)
    return value


def _redact_at(value: Any, path: Path) -> Any:
    if not path and isinstance(value, Mapping):
        return {name: _redact_at(item, ()) for name, item in value.items()}
    if not path:
        return value if value is None else MASK
    if isinstance(value, Mapping):
        name, rest = path[0], path[1:]
        return {k: _redact_at(v, rest) if k == name else v for k, v in value.items()}
    if isinstance(value, list):
        return [_redact_at(item, path) for item in value]
    return value


def _unnamed(value: Any, names: set[str]) -> Any:
    """Redact whatever bears one of `names`, at any depth: handlers echo their arguments."""
    if isinstance(value, Mapping):
        return {
            name: MASK if name in names and item is not None else _unnamed(item, names)
            for name, item in value.items()
        }
    return [_unnamed(item, names) for item in value] if isinstance(value, list) else value


def values_at(value: Any, path: Path) -> Iterator[Any]:
    """Yield every value without parts that stands at the path, or under it."""
    if isinstance(value, list):
        for item in value:
            yield from values_at(item, path)
    elif isinstance(value, Mapping):
        chosen = value.values() if not path else [value[path[0]]] if path[0] in value else []
        for item in chosen:
            yield from values_at(item, path[1:])
    elif not path:
        yield value
