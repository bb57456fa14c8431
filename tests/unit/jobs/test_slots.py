"""How many jobs run at a time in a process, and the worker that fits its queues."""

import sys

import pytest

from celeriac.jobs.errors import UnknownQueue
from celeriac.jobs.management.worker_command import worker_command
from celeriac.jobs.slots import (
    ONE,
    BadSlots,
    Slots,
    common_slots,
    parse_slots,
    shared_queues,
    slots_of_worker,
)


@pytest.fixture(autouse=True)
def queues(settings):
    """Declare queues of every sort."""
    settings.CELERIAC = settings.CELERIAC | {
        "QUEUES": {
            "default": {},
            "maintenance": {},
            "mail": {"slots": "threads:50"},
            "calls": {"slots": "threads:50", "window": 1.0},
            "hooks": {"slots": "threads:200"},
        }
    }


def test_the_option_says_how_and_how_many():
    """And is said again as it was written."""
    assert parse_slots("threads:50") == Slots("threads", 50)
    assert str(parse_slots("threads:200")) == "threads:200"
    assert parse_slots("async:200") == Slots("async", 200)
    assert not ONE.are_many
    assert shared_queues() == ["mail", "calls", "hooks"]


def test_queues_of_one_worker_agree():
    """Else it names those that need workers of their own."""
    assert common_slots(["mail", "calls"]) == Slots("threads", 50)
    assert common_slots(["default", "maintenance"]) == common_slots([]) == ONE
    said = "own: default: one job at a time; mail, calls: threads:50; hooks: threads:200."
    with pytest.raises(BadSlots, match=said):
        common_slots(["default", "mail", "calls", "hooks"])


def test_a_worker_s_processes_are_told_by_its_queues_and_slots():
    """One that was started before its queue had slots runs one by one; connections are bounded."""
    assert slots_of_worker(["mail", "not ours"], 100) == Slots("threads", 50)
    assert slots_of_worker(["mail"], 2) == slots_of_worker(["mail", "hooks"], 200) == ONE
    wide = [Slots("threads", 50), Slots("async", 200), Slots("async", 5), ONE]
    assert [slots.connections for slots in wide] == [52, 22, 7, 1]


def test_a_worker_s_command_fits_its_queues():
    """One process where many run in it; Celery's own options are passed on, and win."""
    command = worker_command(["mail", "calls"], ["--loglevel=INFO"])
    assert command[:4] == [sys.executable, "-m", "celery", "-A"]
    assert {"--queues=mail,calls", "--concurrency=1", "--loglevel=INFO"} <= set(command)
    assert any(word.startswith("--hostname=mail-") for word in command)
    assert not any("concurrency" in word for word in worker_command(["default"], []))
    given = ["-c", "3", "--hostname=me@%h"]
    assert worker_command(["mail"], given)[-3:] == given
    assert not any("--hostname=mail" in word for word in worker_command(["mail"], given))
    assert "--concurrency=1" not in worker_command(["mail"], given)


def test_a_worker_of_no_such_queues_is_refused():
    """By name, before anything starts."""
    with pytest.raises(UnknownQueue, match="Did you mean 'mail'"):
        worker_command(["mial"], [])
    with pytest.raises(BadSlots, match="need workers of their own"):
        worker_command(["default", "hooks"], [])
