"""Frozen option classes that change at run time by name, and become command-line options."""

import argparse
import dataclasses
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, get_type_hints

from celeriac.core.hints import did_you_mean

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


class InvalidOption(ValueError):
    """An option has an unknown name or a value out of range."""


def changed[O: "DataclassInstance"](options: O, changes: Mapping[str, Any]) -> O:
    """Return the options with some of them changed; raises InvalidOption naming the field."""
    hints = get_type_hints(type(options))
    for name in changes:
        if name not in hints:
            raise InvalidOption(f"There is no option {name!r}.{_meant(name, hints)}")
    fitted = {name: _fit(name, hints[name], value) for name, value in changes.items()}
    return dataclasses.replace(options, **fitted)


def check_rates(options: "DataclassInstance") -> None:
    """Raise InvalidOption unless every `*_rate` is in [0, 1] and every `*_seconds` is ≥ 0."""
    for name, value in dataclasses.asdict(options).items():
        if name.endswith("_rate") and not 0 <= value <= 1:
            raise InvalidOption(f"{name} is a share between 0 and 1, not {value!r}.")
        if name.endswith("_seconds") and value < 0:
            raise InvalidOption(f"{name} can't be negative.")


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raise InvalidOption unless the value is one of the choices."""
    allowed = list(choices)
    if value not in allowed:
        raise InvalidOption(f"{name} is one of {', '.join(allowed)}, not {value!r}.")


def add_arguments(parser: argparse.ArgumentParser, kind: type, prefix: str) -> None:
    """Give the parser one option a field; its default comes from PREFIX_FIELD or the class."""
    for name in get_type_hints(kind):
        parser.add_argument(f"--{name.replace('_', '-')}", default=_given(prefix, name))


def from_arguments[O: "DataclassInstance"](kind: type[O], parsed: argparse.Namespace) -> O:
    """Return the options that the command line and the environment gave."""
    given = {field.name: getattr(parsed, field.name) for field in dataclasses.fields(kind)}
    return changed(kind(), {name: value for name, value in given.items() if value is not None})


def _given(prefix: str, name: str) -> str | None:
    value = os.environ.get(f"{prefix}_{name.upper()}")
    # One seed for the whole demo: SEED is the documented name.
    return os.environ.get("SEED") if value is None and name == "seed" else value


def _meant(name: str, names: Iterable[str]) -> str:
    return did_you_mean(name, names)


def _fit(name: str, hint: Any, value: object) -> object:
    if hint is bool:
        return _boolean(name, value)
    if isinstance(value, bool) or value is None:
        raise InvalidOption(f"{name} can't be {value!r}.")
    try:
        return hint(value)
    except (TypeError, ValueError) as error:
        raise InvalidOption(f"{name} must be of type {hint.__name__}, not {value!r}.") from error


def _boolean(name: str, value: object) -> bool:
    text = str(value).lower()
    if text not in TRUE | FALSE:
        raise InvalidOption(f"{name} is true or false, not {value!r}.")
    return text in TRUE
