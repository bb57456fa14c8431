"""What `make hosts` counts: the lines of a move, and what a project's suite says of itself."""

import pytest

from tests.hosts.projects import HOSTS, WGER, Change
from tests.hosts.scratch import difference


def test_lines_are_counted_by_file(tmp_path):
    """A changed line is one added and one removed; what did not change counts for nothing."""
    before, after = tmp_path / "before", tmp_path / "after"
    for folder, text in ((before, "a\nb\nc\n"), (after, "a\nB\nc\nd\n")):
        folder.mkdir()
        (folder / "settings.py").write_text(text)
        (folder / "same.py").write_text("x\n")
        (folder / "picture.png").write_bytes(text.encode())
    added, removed = difference(before, after)
    assert added == ["settings.py: B", "settings.py: d"]
    assert removed == ["settings.py: b"]


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("== 31 passed, 2 skipped, 1 warning in 3.2s ==", {"passed": 31, "skipped": 2}),
        ("1 failed, 30 passed, 1 error in 3s", {"failed": 1, "passed": 30, "error": 1}),
        ("Ran 12 tests in 3.1s\n\nOK (skipped=1)\n", {"ran": 12, "ended": "OK skipped=1"}),
        ("Ran 1 test in 3.1s\n\nFAILED (errors=1)\n", {"ran": 1, "ended": "FAILED errors=1"}),
    ],
)
def test_a_suite_is_read_by_what_its_runner_says(output, said):
    """The last line of pytest's, and of Django's."""
    assert WGER.counts(output) == said


def test_a_line_of_ours_goes_to_one_place_or_the_end():
    """What would hit another line, or none, is refused."""
    assert Change("a.py", "", "B").apply("a\n") == "a\nB\n"
    assert Change("a.py", "x = 1", "x = 2").apply("x = 1\n") == "x = 2\n"
    with pytest.raises(AssertionError, match="has 'x' 2x"):
        Change("a.py", "x", "y").apply("x x")


def test_each_task_that_beat_must_fire_is_called_too():
    """A project is known by its name."""
    assert {name: host.name for name, host in HOSTS.items()} == {name: name for name in HOSTS}
    for host in HOSTS.values():
        assert set(host.ticks) <= {name for name, _ in host.calls}
