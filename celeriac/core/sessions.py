"""This process's session with the database, made anew."""

import contextlib

from django.db import DEFAULT_DB_ALIAS, connection, connections


def forget_queries() -> None:
    """Empty the logs of statements that DEBUG keeps, but for one that somebody reads just now."""
    for each in connections.all(initialized_only=True):
        if not each.force_debug_cursor:
            each.queries_log.clear()


def renew_connection() -> None:
    """Drop the connection with all that was hung on it; the next use makes a new one.

    To close it would keep what Django holds beside it, such as the wrappers around each
    statement. Where closing fails there is nothing more to lose.
    """
    with contextlib.suppress(Exception):
        if connection.connection is not None:
            connection.connection.close()  # itself: a pool would hand it out again
    with contextlib.suppress(Exception):
        connection.close()
    del connections[DEFAULT_DB_ALIAS]
