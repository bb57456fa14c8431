"""PostgreSQL's codes of what goes wrong between sessions (its manual, appendix A)."""

LOCK_NOT_AVAILABLE = "55P03"
DEADLOCK = "40P01"
SERIALIZATION = "40001"
QUERY_CANCELED = "57014"


def sqlstate_of(error: BaseException) -> str | None:
    """Return the code of a database error as Django raises it; None where it bears none."""
    code: str | None = getattr(error.__cause__, "sqlstate", None)
    return code


def violates(error: BaseException, constraint: str) -> bool:
    """Return whether a database error, as Django raises it, is a row that a constraint refused."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None) == constraint
