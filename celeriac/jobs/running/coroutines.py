"""Handlers that return an awaitable: an event loop of their own, within the soft limit.

Sync code that the coroutine calls through sync_to_async (Django's async ORM among it) runs
in this thread, on this thread's connection: so it joins a transactional handler's
transaction. The limit cancels the coroutine at what it awaits; one that blocks its loop
meets the hard limit.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

from asgiref.sync import async_to_sync

from celeriac.jobs.running.awake_time import AwakeLimit
from celeriac.jobs.running.thread_limit import limit_error


def run_within[T](seconds: float | None, awaitable: Awaitable[T]) -> T:
    """Return what the awaitable returns; TimeLimitExceeded once its seconds are used up."""

    async def limited() -> T:
        try:
            async with asyncio.timeout(None) as limit:
                if seconds:
                    _enforce(limit, AwakeLimit(seconds))
                return await awaitable
        except TimeoutError as error:
            if limit.expired():
                raise limit_error(seconds or 0.0) from error
            raise

    return async_to_sync(limited)()


def _enforce(limit: asyncio.Timeout, awake: AwakeLimit) -> None:
    """End it once its seconds are used up; asked again after a freeze."""
    loop = asyncio.get_running_loop()

    def ask() -> None:
        left = awake.left()
        if left:
            loop.call_later(left, ask)
        elif not limit.expired():
            with suppress(RuntimeError):  # it has ended
                limit.reschedule(loop.time())

    loop.call_later(awake.seconds, ask)
