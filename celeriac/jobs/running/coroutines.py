"""Handlers that return an awaitable: awaited within the soft limit.

One by one, each has an event loop of its own. Sync code that the coroutine calls through
sync_to_async (Django's async ORM among it) then runs in this thread, on this thread's connection:
so it joins a transactional handler's transaction. The limit cancels the coroutine at what it
awaits; one that blocks its loop meets the hard limit. (Many on one loop: many/loop.py.)
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from asgiref.sync import async_to_sync

from celeriac.jobs.running.awake_time import AwakeLimit
from celeriac.jobs.running.thread_limit import limit_error


def run_within[T](seconds: float | None, awaitable: Awaitable[T]) -> T:
    """Return what the awaitable returns; TimeLimitExceeded once its seconds are used up."""

    async def limited() -> T:
        return await await_within(seconds, awaitable)

    return async_to_sync(limited)()


async def await_within[T](
    seconds: float | None, awaitable: Awaitable[T], lost: Callable[[], float] = float
) -> T:
    """Return what the awaitable returns; TimeLimitExceeded once its seconds are used up.

    `lost` tells how many seconds the caller could not go on, from some moment on: they do not
    count.
    """
    if not seconds:
        return await awaitable
    try:
        async with asyncio.timeout(None) as limit:
            alarm = _Alarm(limit, seconds, lost)
            try:
                return await awaitable
            finally:
                alarm.cancel()
    except TimeoutError as error:
        if limit.expired():
            raise limit_error(seconds) from error
        raise


class _Alarm:
    """Ends what runs under a limit once its seconds are used up; asks again after a freeze."""

    def __init__(self, limit: asyncio.Timeout, seconds: float, lost: Callable[[], float]) -> None:
        self._limit = limit
        self._awake = AwakeLimit(seconds)
        self._lost, self._granted = lost, lost()
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(seconds, self._ring)

    def cancel(self) -> None:
        """Ring no more."""
        self._timer.cancel()

    def _ring(self) -> None:
        lost = self._lost()
        self._awake.grant(lost - self._granted)
        self._granted = lost
        if left := self._awake.left():
            self._timer = self._loop.call_later(left, self._ring)
        elif not self._limit.expired():
            with suppress(RuntimeError):  # it has ended
                self._limit.reschedule(self._loop.time())
