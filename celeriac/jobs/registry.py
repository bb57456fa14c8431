"""The declared kinds. Pure: no Django.

A kind is a handler with its policy. Its signature is the schema of its
arguments: see schema.py.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Any

from celeriac.core.arguments import LONGEST
from celeriac.core.hints import did_you_mean
from celeriac.jobs.backoff import Backoff
from celeriac.jobs.enqueueing import templates
from celeriac.jobs.errors import UnknownKind
from celeriac.jobs.losses import ANY_LOSS, FEW, Loss
from celeriac.jobs.schema import Schema

Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A declared job: its name, handler and policy (times in seconds)."""

    name: str
    handler: Handler
    schema: Schema
    queue: str = "default"
    priority: int = 0
    retry: Backoff = field(default_factory=Backoff)
    timeout: float | None = 30.0
    hard_timeout: float | None = 600.0
    #: What the soft limit raises; None: TimeLimitExceeded. A class of it, of another name.
    limit_error: type[Any] | None = None
    lock: str | None = None
    unique: str | None = None
    breaker: str | None = None
    batch: int | None = None
    transactional: bool = False
    max_losses: int = 5
    #: The losses after which a run that had begun happens again; after others its job is dead.
    runs_again: frozenset[Loss] = ANY_LOSS
    loss_delay: float = 0.0  # until it does
    #: Whether a run that loses its database has failed, as in Celery; else it costs nothing.
    fails_on_outage: bool = False
    aliases: tuple[str, ...] = ()
    search: tuple[str, ...] = ()  # arguments by which jobs are found
    redact: tuple[str, ...] = ()  # what is never shown: see redaction.py
    retention: float | None = None  # days; None: as CELERIAC says; 0 keeps only failures
    on_dead: str | None = None
    #: The same, where it was a loss that ended the job: no process could say so itself.
    on_lost: str | None = None
    schedule: object | None = None
    celery_result: bool = False
    #: Called with the run, in the process that ran it, once what became of it is written.
    on_settled: Callable[[Any], None] | None = None

    def __post_init__(self) -> None:
        """Refuse a policy that would fail at the first job only."""
        for option in ("lock", "unique"):
            if template := getattr(self, option):
                self._check_names(option, template, templates.template_fields(template))
        for option in ("search", "redact"):
            names = getattr(self, option)
            if isinstance(names, str):
                raise ValueError(f"{self.name}: {option}={names!r} is text; give a tuple of names.")
            allowed = {"result"} if option == "redact" else set()
            self._check_names(option, names, {name.split(".")[0] for name in names} - allowed)
        self._check_secrets()
        self._check_limits()
        if isgeneratorfunction(self.handler) or isasyncgenfunction(self.handler):
            raise ValueError(
                f"{self.name}: its handler has a yield, so that to call it runs nothing of it, and "
                "every job would succeed. Return a value instead."
            )
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"{self.name}: batch={self.batch} jobs in a doorbell; give 1 or more.")
        if self.retention is not None and self.retention < 0:
            raise ValueError(f"{self.name}: retention={self.retention} days; give 0 or more.")

    def _check_limits(self) -> None:
        """Refuse limits that no run can keep."""
        soft, hard = self.timeout, self.hard_timeout
        if soft is not None and not 0 < soft <= LONGEST:
            raise ValueError(
                f"{self.name}: timeout={soft} seconds; give more than 0 and ten years at most, "
                "or None."
            )
        if hard is not None and not 0 < hard <= LONGEST:
            raise ValueError(
                f"{self.name}: hard_timeout={hard} seconds; give more than 0 and ten years at most,"
                " or None."
            )

    def _check_names(self, option: str, given: object, names: set[str]) -> None:
        unknown = sorted(names - set(self.schema.parameters))
        if unknown:
            raise ValueError(
                f"{self.name}: {option}={given!r} names {', '.join(unknown)}, "
                f"but the handler takes {', '.join(self.schema.parameters) or 'nothing'}."
            )

    def _check_secrets(self) -> None:
        """Refuse a key or a search that would show what redact= hides."""
        secret = {name.split(".")[0] for name in self.redact}
        shown = {"lock": self.lock, "unique": self.unique}
        named = {option: templates.template_fields(text) for option, text in shown.items() if text}
        named["search"] = {name.split(".")[0] for name in self.search}
        for option, names in named.items():
            if both := sorted(names & secret):
                raise ValueError(
                    f"{self.name}: {option}= would show {', '.join(both)}, which redact= hides."
                )

    @property
    def is_coroutine(self) -> bool:
        """Whether its handler is known to return a coroutine as soon as it is called."""
        return iscoroutinefunction(self.handler)

    @property
    def rings_alone(self) -> bool:
        """Whether a doorbell carries one such job only."""
        return bool(self.lock or self.breaker or self.batch == 1)

    @property
    def may_begin_once(self) -> bool:
        """Whether a run that had begun may not happen again when its whole worker is lost."""
        return Loss.WORKER not in self.runs_again

    @property
    def widest(self) -> int | None:
        """The most of its jobs in one doorbell; None: as many as fit."""
        return FEW if self.batch is None and self.may_begin_once else self.batch


_kinds: dict[str, Kind] = {}
_aliases: dict[str, str] = {}
#: Each may declare a kind of that name, where nobody has.
_declarers: list[Callable[[str], object]] = []


def declare_kind(kind: Kind) -> Kind:
    """Add `kind`; a name that another handler holds is an error."""
    for name in (kind.name, *kind.aliases):
        holder = _kinds.get(_aliases.get(name, name))
        if holder is not None and _origin(holder) != _origin(kind):
            raise ValueError(f"The kind {name!r} is declared twice: {_origin(holder)} has it.")
    _kinds[kind.name] = kind
    _aliases.update(dict.fromkeys(kind.aliases, kind.name))
    return kind


def find_kind(name: str) -> Kind:
    """Return the kind of that name or alias; UnknownKind says what was probably meant."""
    if not isinstance(name, str):
        raise UnknownKind(f"A kind is named by text, such as 'payments.capture', not {name!r}.")
    kind = get_kind(name)
    if kind is None:
        hint = did_you_mean(name, kind_names(), " Is its module in CELERIAC['MODULES']?")
        raise UnknownKind(f"No job of kind {name!r} is declared.{hint}")
    return kind


def get_kind(name: str) -> Kind | None:
    """Return the kind of that name or alias, or None."""
    kind = _kinds.get(_aliases.get(name, name))
    if kind is None and _declarers:
        for declare in _declarers:
            declare(name)
        kind = _kinds.get(name)
    return kind


def declare_when_asked(declarer: Callable[[str], object]) -> None:
    """Ask `declarer` for kinds by names that nobody has declared."""
    _declarers.append(declarer)


def get_or_default(name: str) -> Kind:
    """Return the kind of that name or alias; one with a kind's defaults where none is declared."""
    return get_kind(name) or Kind(name, _nothing, Schema.of(_nothing))


def _nothing() -> None:
    """Stand for the handler of a kind that another program declares."""


def kind_names() -> list[str]:
    """Return every name a job's row may bear, aliases too."""
    return sorted([*_kinds, *_aliases])


def declared_kinds() -> Iterator[Kind]:
    """Iterate over the declared kinds by name."""
    return iter([_kinds[name] for name in sorted(_kinds)])


def guarded_kinds() -> list[tuple[str, str]]:
    """Return every name that rows of guarded kinds may bear, with its breaker."""
    return [
        (name, kind.breaker)
        for kind in declared_kinds()
        for name in (kind.name, *kind.aliases)
        if kind.breaker
    ]


def kinds_begun_once() -> list[str]:
    """Return every name that rows of kinds may bear whose claims must outlive the database."""
    return [
        name
        for kind in declared_kinds()
        for name in (kind.name, *kind.aliases)
        if kind.runs_again != ANY_LOSS
    ]


def forget_kind(name: str) -> None:
    """Take a declaration back: for tests."""
    kind = _kinds.pop(name, None)
    for alias in kind.aliases if kind else ():
        _aliases.pop(alias, None)


def _origin(kind: Kind) -> str:
    return f"{kind.handler.__module__}.{kind.handler.__qualname__}"
