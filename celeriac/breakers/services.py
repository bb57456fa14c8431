"""What an operator does to a breaker. Each verb leaves an audit row and a transition."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from celeriac.breakers import options as options_module
from celeriac.breakers.errors import BreakerError
from celeriac.breakers.models import Breaker, Transition
from celeriac.breakers.registry import get_breaker
from celeriac.breakers.replies import BreakerState
from celeriac.core import audit, clock
from celeriac.core.clock import Now


def force_open(
    name: str, *, actor: Any = None, reason: str, until: datetime | None = None
) -> Breaker:
    """Let no call through, until `until` or until it is cleared; return the breaker.

    Every process obeys with its next call after the caller's commit, the ledger at once.

    Raises:
        UnknownBreaker: no breaker of that name is declared.
        BreakerError: there is no reason, or `until` is past.
    """
    return _force(name, BreakerState.OPEN, actor=actor, reason=reason, until=until)


def force_closed(
    name: str, *, actor: Any = None, reason: str, until: datetime | None = None
) -> Breaker:
    """Let every call through, whatever it finds, until `until` or until it is cleared.

    Returns the breaker; it raises the same as `force_open`.
    """
    return _force(name, BreakerState.CLOSED, actor=actor, reason=reason, until=until)


def clear(name: str, *, actor: Any = None, reason: str = "") -> Breaker:
    """End a force and forget a cooldown: an open circuit's next call is its probe.

    Returns the breaker.

    Raises:
        UnknownBreaker: no breaker of that name is declared.
    """
    with transaction.atomic():
        row = _locked(name)
        was = _current_state(row)
        lifted_open = row.forced == BreakerState.OPEN
        begun = {"closed_at": Now(), "ramp_next": None} if lifted_open else {}
        nobody = {"forced": "", "forced_reason": "", "forced_by": ""}
        _update(name, forced_until=None, forced_at=None, **nobody, **begun)
        _write_down(name, was, "cleared", verb="breaker.clear", actor=actor, reason=reason)
        transaction.on_commit(lambda: _push_cleared(name), robust=True)
    return Breaker.objects.get(name=name)


def tune(name: str, *, options: dict[str, Any], actor: Any = None, reason: str = "") -> Breaker:
    """Change options at run time; `options` replaces all former changes. Return the breaker.

    Raises:
        UnknownBreaker: no breaker of that name is declared.
        InvalidOptions: an option is unknown, or its value does not fit.
    """
    options_module.breaker_options(name).using(options)
    with transaction.atomic():
        before = _locked(name).overrides
        _update(name, overrides=options)
        details = {"before": before, "after": options}
        audit.record("breaker.tune", "breaker", name, actor=actor, reason=reason, details=details)
        transaction.on_commit(lambda: _push(name), robust=True)
    return Breaker.objects.get(name=name)


def declare_rows() -> None:
    """Make the rows of the breakers in settings; keep those that are there."""
    Breaker.objects.bulk_create(
        [Breaker(name=name) for name in options_module.declared_breakers()], ignore_conflicts=True
    )


def _force(
    name: str, to: BreakerState, *, actor: Any, reason: str, until: datetime | None
) -> Breaker:
    options_module.breaker_options(name)
    if not reason.strip():
        raise BreakerError("Say why: a forced circuit needs a reason.")
    if until is not None and until <= clock.db_now():
        raise BreakerError(f"{until:%Y-%m-%d %H:%M} is past: a force needs an end ahead, or none.")
    with transaction.atomic():
        was = _current_state(_locked(name))
        _update(
            name,
            forced=to,
            forced_until=until,
            forced_at=Now(),
            forced_by=str(actor or "")[:254],
            forced_reason=reason,
        )
        verb = f"breaker.force_{to}"
        _write_down(name, was, f"forced {to}", verb=verb, actor=actor, reason=reason, until=until)
        transaction.on_commit(lambda: _push(name), robust=True)
    return Breaker.objects.get(name=name)


def _locked(name: str) -> Breaker:
    options_module.breaker_options(name)
    Breaker.objects.bulk_create([Breaker(name=name)], ignore_conflicts=True)
    return Breaker.objects.select_for_update(no_key=True).get(name=name)


def _update(name: str, **values: Any) -> None:
    Breaker.objects.filter(name=name).update(edit=F("edit") + 1, updated_at=Now(), **values)


def _current_state(row: Breaker) -> str:
    """Return the state that holds; a force that has ended by itself still stands in its row."""
    ended = row.forced_until is not None and row.forced_until <= clock.db_now()
    return f"forced {row.forced}" if row.forced and not ended else row.state


def _write_down(
    name: str, was: str, becomes: str, *, verb: str, actor: Any, reason: str, until: Any = None
) -> None:
    Transition.objects.create(
        breaker_id=name,
        from_state=was,
        to_state=becomes,
        by=str(actor or "")[:254],
        reason=reason,
        open_until=until if becomes == "forced open" else None,
    )
    details = {"from": was, "until": until.isoformat() if until else None}
    audit.record(verb, "breaker", name, actor=actor, reason=reason, details=details)


def _push(name: str) -> None:
    """Tell the store what the database now says; other processes hear it with their next call."""
    get_breaker(name).storage.sync()


def _push_cleared(name: str) -> None:
    storage = get_breaker(name).storage
    if storage.sync().state is BreakerState.OPEN:
        storage.move(BreakerState.HALF_OPEN, reason="cleared by an operator")
