"""Breakers on a real store and a real database."""

import pytest

from celeriac.breakers import database_writer, registry
from tests.integration.breakers.support import QUICK, wait_until_written


@pytest.fixture(autouse=True)
def breakers(settings, transactional_db, broker):
    """Declare a breaker `gate`; what breakers write is committed, hence `transactional_db`."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS_STORE_TIMEOUT": 2.0}
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS_STORE_MUTE_SECONDS": 0.3}
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS": {"gate": QUICK}}
    database_writer._after_fork()
    yield
    wait_until_written()
    registry.forget_breakers()
