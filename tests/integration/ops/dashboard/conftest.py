"""What tests of the admin share."""

from datetime import timedelta

import pytest

from celeriac.core import clock


@pytest.fixture
def shifted(db):
    """Move the clock on to the middle of a minute; return a way to move it from there."""
    base = timedelta(seconds=(80 - clock.db_now().second) % 60)
    with clock.offset_clock(base):
        yield lambda **time: clock.offset_clock(base + timedelta(**time))
