"""For tests: a clean slate between two of them, and a wait for what is still being written."""

import threading
import time

import redis

from celeriac.breakers import registry
from celeriac.breakers.database_writer import get_writer
from celeriac.breakers.shared_store import PREFIX, connect_store
from celeriac.core import tables
from celeriac.settings import conf

_FORGET = f"""
WITH gone AS (DELETE FROM {tables.TRANSITION})
UPDATE {tables.BREAKER} SET state = 'closed', version = 0, open_until = NULL,
    closed_at = NULL,
    opened_count = 0, last_error = '', forced = '', forced_until = NULL, forced_at = NULL,
    forced_by = '', forced_reason = '', edit = 0, overrides = '{{}}', probe_token = '',
    probe_until = NULL, ramp_next = NULL
"""


def wait_until_written(timeout: float = 10.0) -> None:
    """Wait until this process has written everything that its breakers had to write."""
    deadline = time.monotonic() + timeout
    while get_writer().busy or any(t.name == "breakers-sync" for t in threading.enumerate()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Breakers are still writing after {timeout} s.")
        time.sleep(0.005)


def reset_breakers() -> None:
    """Close every circuit and forget its past: in the store, the database and this process.

    What breakers write is committed, also in a test that rolls back. Call this
    outside the test's transaction.
    """
    wait_until_written()
    if conf.BREAKERS_STORE_URL:
        _empty_store()
    get_writer().ask(_FORGET, [], wait=5.0)
    wait_until_written()
    registry.forget_breakers()


def _empty_store() -> None:
    client = connect_store().client
    try:
        keys = list(client.scan_iter(f"{PREFIX}*"))
        if keys:
            client.delete(*keys)
    except redis.RedisError:
        pass  # a test may have stopped the store, which forgets by itself
    finally:
        client.close()
