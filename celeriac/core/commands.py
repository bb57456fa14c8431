"""Verbs of `manage.py celeriac` that apps above the ledger bring: each adds its own when ready."""

from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CommandVerb:
    """What a verb is called, what it takes, and what it does: `run` returns the exit code."""

    name: str
    help: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Mapping[str, Any], Callable[[str], object]], int]


_verbs: dict[str, CommandVerb] = {}


def add_verb(verb: CommandVerb) -> None:
    """Add a verb; the same name again takes the place of the former."""
    _verbs[verb.name] = verb


def added_verbs() -> dict[str, CommandVerb]:
    """Return the verbs by name."""
    return dict(_verbs)
