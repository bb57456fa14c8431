"""Log lines as JSON."""

import json
import logging

from apps.core import context
from apps.core.logs import JsonFormatter


def line(message, *args, **more):
    """Return what is written for a record."""
    made = logging.getLogger("a.b").makeRecord(
        "a.b", logging.WARNING, "f", 1, message, args, **more
    )
    text = JsonFormatter().format(made)
    assert "\n" not in text
    return json.loads(text)


def test_a_line_holds_what_joins_it_to_its_request_and_its_job():
    """One object a line, the message filled in."""
    with context.bind(correlation_id="c-1", job_id="j-1", attempt="2", kind="test.note"):
        found = line("lost %d of %s", 2, "é\n", exc_info=None)
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "WARNING",
        "logger": "a.b",
        "message": "lost 2 of é\n",
        "correlation_id": "c-1",
        "job_id": "j-1",
        "attempt": "2",
        "kind": "test.note",
    }


def test_an_error_is_one_field_of_one_line():
    """A traceback of many lines is one entry for who collects them."""
    try:
        raise ValueError("no\nluck")
    except ValueError as error:
        found = line("it failed", exc_info=(type(error), error, error.__traceback__))
    assert found["error"].endswith("ValueError: no\nluck")


def test_the_bound_context_can_not_overwrite_the_lines_own_fields():
    """A context that is named like a field gives way."""
    with context.bind(message="forged", level="DEBUG"):
        assert line("true", exc_info=None)["message"] == "true"
