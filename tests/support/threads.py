"""Threads that share the test's database, each with a connection of its own."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from django.db import connection, connections, transaction

DEADLINE = 30.0


def _closing(function, *args):
    try:
        return function(*args)
    finally:
        connections.close_all()


@contextmanager
def threads(count=8):
    """Yield `start(function, *args) -> Future`; each call has a connection of its own."""
    with ThreadPoolExecutor(count) as pool:
        yield lambda function, *args: pool.submit(_closing, function, *args)


def at_once(count, function):
    """Call `function(number)` in `count` threads at the same moment; return the results."""
    barrier = threading.Barrier(count)

    def call(number):
        connection.ensure_connection()
        barrier.wait(DEADLINE)
        return function(number)

    with threads(count) as start:
        futures = [start(call, number) for number in range(count)]
        return [future.result(DEADLINE) for future in futures]


@contextmanager
def held_open(function):
    """Call `function` in a transaction of another connection; it commits when the block ends.

    Yields what the function returned, and a function that ends the transaction.
    """
    ready, done = threading.Event(), threading.Event()
    box = {}

    def run():
        with transaction.atomic():
            box["value"] = function()
            ready.set()
            if not done.wait(DEADLINE):
                raise TimeoutError("nobody ended the transaction")

    with threads(1) as start:
        future = start(run)
        while not ready.wait(0.05):
            if future.done():
                future.result()

        def finish():
            done.set()
            future.result(DEADLINE)

        try:
            yield box["value"], finish
        finally:
            done.set()
        future.result(DEADLINE)


def wait_until(condition, deadline=DEADLINE):
    """Wait until `condition()` is true and return its value."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError("the condition did not come true in time")
        time.sleep(0.01)
    return value


def someone_waits_for_a_lock():
    """Return whether any session waits for another's lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return cursor.fetchone()[0] > 0
