"""The ledger's tables, locked against everybody by another session."""

import threading

import pytest
from django.db import connection, transaction


@pytest.fixture
def locked_ledger(transactional_db):
    """Lock all tables of the library against every reader; yield what ends that."""
    names = connection.introspection.table_names()
    tables = ", ".join(name for name in names if name.startswith("celeriac_"))
    ready, done = threading.Event(), threading.Event()

    def lock():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
            ready.set()
            done.wait(60)
        connection.close()

    thread = threading.Thread(target=lock)
    thread.start()
    assert ready.wait(30)

    def release():
        done.set()
        thread.join()

    yield release
    release()
