"""Effects outside the database never happen inside one of its transactions."""

from django.db import transaction

from celeriac.core.errors import CeleriacError


class CallInTransaction(CeleriacError):
    """An external call inside a database transaction: commit first, then call."""


def require_no_transaction(what: str) -> None:
    """Refuse to do `what` while a transaction is open on the default database.

    A rollback could not take the call back, and its wait would hold locks. Django's
    durable block knows the answer, and the transactions that test cases wrap
    around a test do not count.

    Raises:
        CallInTransaction: one is open.
    """
    try:
        with transaction.atomic(durable=True):
            pass  # an empty block costs no round trip
    except RuntimeError as error:
        raise CallInTransaction(f"{what} inside a database transaction: commit first.") from error
