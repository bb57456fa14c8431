"""The one transaction of a transactional kind: it proves, as it settles, that it is still the same.

A handler can end it behind Django's back: a raw COMMIT or ROLLBACK, one followed by a
new BEGIN, COMMIT AND CHAIN, PREPARE TRANSACTION. What is written next would commit
alone. A transaction is known by the moment it began, which is as fine as a microsecond:
it is asked for in the message that begins it, and compared in the statement that settles.
"""

import psycopg
from django.db import connection
from django.db.transaction import Atomic
from psycopg.pq import ExecStatus, TransactionStatus

_BEGAN = b"SELECT extract(epoch FROM transaction_timestamp())::text"


class TransactionLeftOpen(Exception):
    """The handler left a transaction open, or ended the one that it ran in."""

    def __init__(
        self,
        words: str = "the handler left a database transaction open; it was rolled back",
    ) -> None:
        super().__init__(words)


def ended_error() -> TransactionLeftOpen:
    """Return the error of a transactional handler that ended the transaction around it."""
    return TransactionLeftOpen(
        "the handler ended the transaction that it shares with its job (COMMIT, ROLLBACK or the "
        "like): what it committed stays, the rest was rolled back; use transaction.atomic()"
    )


def begin_transaction() -> str:
    """Begin the transaction of the open atomic block; return when it began."""
    raw = connection.connection
    with connection.wrap_database_errors:
        status = raw.pgconn.transaction_status
        command = _begin_statement(raw) + _BEGAN if status == TransactionStatus.IDLE else _BEGAN
        result = raw.pgconn.exec_(command)
        if result.status != ExecStatus.TUPLES_OK:
            raise _error_of(raw, result)
    return str(result.get_value(0, 0).decode())


def _begin_statement(raw: psycopg.Connection) -> bytes:
    """Return the BEGIN that psycopg would send, had it not to be sent with something else."""
    words = ["BEGIN"]
    if raw.isolation_level is not None:
        words += ["ISOLATION LEVEL", raw.isolation_level.name.replace("_", " ")]
    if raw.read_only is not None:
        words.append("READ ONLY" if raw.read_only else "READ WRITE")
    if raw.deferrable is not None:
        words.append("DEFERRABLE" if raw.deferrable else "NOT DEFERRABLE")
    return " ".join(words).encode() + b"; "


def _error_of(raw: psycopg.Connection, result: psycopg.pq.abc.PGresult) -> psycopg.Error:
    error = psycopg.errors.error_from_result(result)
    return error if error.sqlstate else psycopg.OperationalError(raw.pgconn.get_error_message())


def check_transaction(block: Atomic) -> None:
    """Raise TransactionLeftOpen where the handler is known to have left the transaction of `block`.

    What only the database knows is left to the statement that settles.
    """
    blocks = connection.atomic_blocks
    if not blocks or block not in blocks:
        raise ended_error()
    if blocks[-1] is not block:
        raise TransactionLeftOpen
    raw = connection.connection
    if raw is not None and raw.pgconn.transaction_status == TransactionStatus.IDLE:
        raise ended_error()


def has_ended(began: str) -> bool:
    """Say whether the transaction that `began` then is over, as far as can be told.

    It can't be where it is lost, or aborted by an error.
    """
    raw = connection.connection
    if raw is None or raw.closed:
        return False
    status = raw.pgconn.transaction_status
    if status != TransactionStatus.INTRANS:
        return bool(status == TransactionStatus.IDLE)
    result = raw.pgconn.exec_(_BEGAN)
    return bool(result.status == ExecStatus.TUPLES_OK and result.get_value(0, 0) != began.encode())
