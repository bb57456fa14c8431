"""What a thread that works for many runs does with the connections that it was lent."""

import os
from collections.abc import Callable

from django.conf import settings
from django.db import connections

from celeriac.core.sessions import forget_queries
from celeriac.jobs.running import sessions


def give_back_connections() -> None:
    """Give back the connections of this thread."""
    for each in connections.all(initialized_only=True):
        each.close()


def give_back_clean_connections() -> None:
    """Give back those on which nothing is left of what was done with them."""
    if settings.DEBUG:
        forget_queries()
    for each in connections.all(initialized_only=True):
        if each.connection is not None and sessions.is_clean(each):
            each.close()


def call_and_give_back[**P, R](function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function of which nothing may stay on this thread's connections."""
    before = sessions.look_at_connections()
    try:
        return function(*args, **kwargs)
    finally:
        before.left_open()
        before.restore(None, cut=False)
        give_back_connections()


class Fork:
    """Ends a fork that a function made and came back from: its thread goes on in this process."""

    __slots__ = ("_process",)

    def __init__(self) -> None:
        self._process = os.getpid()

    def end(self) -> None:
        """End this process where it is another one by now."""
        if os.getpid() != self._process:
            os._exit(0)
