"""Orders in their rows, and questions to the database that must not keep anybody waiting."""

import threading
from collections.abc import Callable

from django.db import connection, transaction

from celeriac.core.queries import execute
from celeriac.jobs.enqueueing.own_connection import is_within_test
from celeriac.jobs.models import Route
from celeriac.jobs.routing.orders import Order

#: What one statement may wait for a lock, and take in all.
_BOUNDS = """
SELECT set_config('lock_timeout', '300ms', true), set_config('statement_timeout', '1s', true)
"""


class Unanswered(Exception):
    """The database did not answer in time: it is away, or somebody locks the table."""


def read_rows() -> list[Order]:
    """Return the orders as their rows have them."""
    found = Route.objects.values_list("pattern", "share", "edit", "reason", "set_by")
    return [Order(*row) for row in found]


def ask_database[T](question: Callable[[], T], *, seconds: float) -> T:
    """Return the answer to a question that is asked on a connection of its own.

    Within a TestCase's transaction it is asked on the test's.

    Raises:
        Unanswered: there was none within `seconds`, or it failed.
    """
    if is_within_test():
        return question()
    answers: list[T] = []

    def ask() -> None:
        try:
            with transaction.atomic():
                execute(_BOUNDS)
                answers.append(question())
        finally:
            connection.close()

    thread = threading.Thread(target=_quietly(ask), name="celeriac-question", daemon=True)
    thread.start()
    thread.join(seconds)
    if not answers:
        raise Unanswered(f"The database did not answer within {seconds:g} s.")
    return answers[0]


def _quietly(ask: Callable[[], None]) -> Callable[[], None]:
    """Return the same without its errors: nobody waits for them in the thread."""

    def run() -> None:
        try:
            ask()
        except Exception:  # whatever it is, there was no answer
            return

    return run
