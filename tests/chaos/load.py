"""The load: a client of the platform that goes on committing jobs, whatever happens to it."""

import contextlib
import threading
import time

from django.db import DatabaseError, connection

from celeriac import enqueue_many
from sandbox.servers.process import wait_until

#: What each batch of ten holds; every twelfth batch brings long jobs too.
MIX = {"chaos.plain": 4, "chaos.writes": 2, "chaos.once": 3}
LOCKED = "chaos.locked"
LONG = ("chaos.long", "chaos.asks")
KEYS = 5
BATCH = sum(MIX.values()) + 1


class Load:
    """Jobs of one fault, told apart by their tenant; `ids` are those that were committed."""

    def __init__(self, tenant, rate, dice):
        """Commit about `rate` jobs a second from a thread of its own."""
        self.tenant, self.ids = tenant, set()
        self._every = BATCH / rate
        self._dice = dice
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")

    def __enter__(self):
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *details):
        """Stop."""
        self._ended.set()
        self._thread.join()

    def _run(self):
        # This client outlives a read-only database: it is the platform that is tried.
        connection.settings_dict = {
            **connection.settings_dict,
            "OPTIONS": {
                **connection.settings_dict["OPTIONS"],
                "application_name": "chaos",
                "options": "-c default_transaction_read_only=off",
            },
        }
        try:
            for number in range(1_000_000):
                if self._ended.wait(self._every):
                    return
                self._commit(number)
        finally:
            connection.close()

    def _commit(self, number):
        wanted = [(kind, [{}] * count) for kind, count in MIX.items()]
        wanted.append((LOCKED, [{"key": self._dice.randrange(KEYS)}]))
        if number % 12 == 0:
            wanted += [(kind, [{}]) for kind in LONG]
        for kind, arguments in wanted:
            try:
                handles = enqueue_many(kind, arguments, tenant=self.tenant)
            except DatabaseError:
                # Whether they were committed nobody knows; the table will say.
                with contextlib.suppress(DatabaseError):
                    connection.close()
                continue
            self.ids |= {handle.id for handle in handles}


def wait_until_done(environment, tenant, deadline):
    """Wait until no job of the tenant waits or runs, or until the deadline; return how many do."""
    query = (
        "SELECT count(*) FROM celeriac_jobs_job "
        "WHERE tenant = %s AND state IN ('queued', 'running')"
    )
    left = [None]

    def is_done():
        with contextlib.suppress(DatabaseError, OSError):
            left[0] = environment.execute(query, tenant).fetchone()[0]
        time.sleep(0.2)
        return left[0] == 0

    wait_until(is_done, timeout=max(0.0, deadline - time.monotonic()))
    return left[0]
