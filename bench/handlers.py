"""What the jobs of all rows do, the same on either side."""

import asyncio
import time

from bench import timestamps

#: Seconds of processor time that a realistic job takes, and seconds that a waiting one waits.
WORKS, WAITS = 0.002, 0.3
#: Bytes of arguments that a realistic job has.
PAYLOAD = 1_000


def realistic(number: int, payload: str) -> None:
    """Say when, ask the database one question through the ORM, and use the processor a while."""
    timestamps.touch(number)
    from django.contrib.contenttypes.models import ContentType  # needs Django set up

    until = time.thread_time() + WORKS
    ContentType.objects.filter(pk=1 + len(payload) % 7).first()
    while time.thread_time() < until:
        sum(range(200))


def wait(number: int) -> None:
    """Say when, and wait as one waits for another's answer."""
    timestamps.touch(number)
    time.sleep(WAITS)


async def await_answer(number: int) -> None:
    """Do the same in a coroutine."""
    timestamps.touch(number)
    await asyncio.sleep(WAITS)
