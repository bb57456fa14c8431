"""This process's session with the database, made anew."""

import contextlib

from django.db import DEFAULT_DB_ALIAS, connection, connections


def renew() -> None:
    """Drop the connection with all that was hung on it; the next use makes a new one.

    To close it would keep what Django holds beside it, such as the wrappers around each
    statement. Where closing fails there is nothing more to lose.
    """
    with contextlib.suppress(Exception):
        connection.close()
    del connections[DEFAULT_DB_ALIAS]
