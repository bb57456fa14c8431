"""What the breakers' tests share."""

import contextlib

from celeriac.breakers import registry
from celeriac.breakers.errors import CircuitOpen
from celeriac.breakers.models import Breaker
from celeriac.breakers.testing import wait_until_written

__all__ = [
    "QUICK",
    "Declined",
    "ProviderDown",
    "as_another_process",
    "call",
    "fail",
    "failures_until_open",
    "row",
    "trip",
    "wait_until_written",
]

#: Options that trip after four failures and stay open until a test says otherwise.
QUICK = {"window": 60, "min_volume": 4, "failure_rate": 0.5, "cooldown": 600, "max_cooldown": 6000}


class ProviderDown(Exception):
    """The provider answered with a 503."""

    status_code = 503


class Declined(Exception):
    """The provider declined."""

    status_code = 402


def call(name, error=None):
    """Make one guarded call, which raises `error`."""
    with registry.get_breaker(name).calling():
        if error is not None:
            raise error


def fail(name, times=1):
    """Make calls that fail by the provider's fault."""
    for _ in range(times):
        with contextlib.suppress(ProviderDown):
            call(name, ProviderDown("down"))


def failures_until_open(name, *, most=2000, between=0):
    """Fail until the circuit opens, with a success after each `between` failures; count failures.

    `between` of 0 is a provider that is down entirely.
    """
    for failures in range(most):
        try:
            if between and failures and failures % between == 0:
                call(name)
            call(name, ProviderDown("down"))
        except ProviderDown:
            continue
        except CircuitOpen:
            return failures
    raise AssertionError(f"The circuit {name} is closed after {most} failures.")


def trip(name):
    """Fail until the circuit is open."""
    for _ in range(100):
        try:
            fail(name)
        except CircuitOpen:
            return
    raise AssertionError(f"The circuit {name} does not open.")


def row(name):
    """Return the breaker's row."""
    return Breaker.objects.get(name=name)


def as_another_process():
    """Forget what this process knows; the store and the database are all that is left."""
    wait_until_written()
    registry.forget_breakers()
