"""Whether an error means that the database is away: the one test that everybody uses.

Away is a connection that is lost or can't be had, and a session that can't do its work: one on a
node that became a reader, one whose prepared statements a pooler lost. What a statement or a
transaction did wrong, or waited too long for, is not.
"""

from collections.abc import Iterator

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError

#: SQLSTATEs: classes by their first two characters, or whole.
_AWAY_CLASSES = ("08",)  # the connection
_AWAY_STATES = {
    *("57P01", "57P02", "57P03", "57P04", "57P05"),  # shut down, crashed, starting, dropped, idle
    "53300",  # too many connections
    *("53100", "58030"),  # no room on its disk, or the disk failed
    "25006",  # a reader, after a failover
    *("26000", "42P05"),  # a prepared statement is not there, or is already: a pooler's doing
    *("28000", "28P01", "3D000"),  # nobody is let in, or the database is not there: said at connect
}
#: Errors of psycopg and Django that bear no SQLSTATE and blame the caller. Not single words, which
#: a server's name might hold.
_CALLERS_FAULT = (
    "number of parameters",
    "another command is already in progress",
    "the cursor ",
    "pipeline mode",
)
_NO_WAY_BACK = "Cannot open a new connection in an atomic block."


def is_away(error: BaseException) -> bool:
    """Say whether `error`, or what it came from, means that the database is away."""
    return any(_says_away(each) for each in _origins(error))


def _origins(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and those that led to it."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def _says_away(error: BaseException) -> bool:
    if isinstance(error, psycopg.Error):
        if error.sqlstate:
            return error.sqlstate[:2] in _AWAY_CLASSES or error.sqlstate in _AWAY_STATES
        return _is_of_connection(error, (psycopg.OperationalError, psycopg.InterfaceError))
    if isinstance(error, DatabaseError | InterfaceError) and error.__cause__ is None:
        if isinstance(error, ProgrammingError):
            return str(error) == _NO_WAY_BACK
        return _is_of_connection(error, (OperationalError, InterfaceError))
    return False


def _is_of_connection(error: BaseException, kinds: tuple[type[Exception], ...]) -> bool:
    text = str(error)
    return isinstance(error, kinds) and not any(words in text for words in _CALLERS_FAULT)
