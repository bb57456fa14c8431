"""Log lines, as JSON and plain."""

import json
import logging
import unicodedata

from celeriac.core import context
from celeriac.core.logs import JsonFormatter, LineFormatter


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


CONTROLS = [
    code
    for code in range(0x110000)
    if unicodedata.category(chr(code)) in ("Cc", "Zl", "Zp")
    or unicodedata.bidirectional(chr(code)) in ("LRE", "RLE", "LRO", "RLO", "PDF")
    or unicodedata.bidirectional(chr(code)) in ("LRI", "RLI", "FSI", "PDI")
    or code in (0x200E, 0x200F, 0x061C)
]


def plain(message, **more):
    """Return a line for people."""
    record = logging.getLogger("a.b").makeRecord("a.b", 30, "f", 1, message, (), None, **more)
    record.context = "correlation_id=c"
    return LineFormatter("{levelname} {message} {context}", style="{").format(record)


def test_no_text_ends_a_line_moves_the_cursor_or_turns_its_direction():
    """Every control character there is, of a job's text, in both formats."""
    assert len(CONTROLS) > 65
    text = "".join(map(chr, CONTROLS))
    record = logging.makeLogRecord({"msg": f"a{text}z", "levelname": "INFO", "name": "x"})
    for found in (plain(f"a{text}z"), JsonFormatter().format(record)):
        assert not set(found) & set(text)
    assert plain("a\nERROR forged") == "WARNING a\\nERROR forged correlation_id=c"
    assert plain("\x1b[2Jé\u202e") == "WARNING \\u001b[2Jé\\u202e correlation_id=c"


def test_an_errors_own_lines_can_not_pass_for_log_lines():
    """They stand below, indented, controls escaped."""
    record = logging.makeLogRecord({"msg": "it failed", "levelname": "ERROR", "context": ""})
    try:
        raise ValueError("no\nCRITICAL forged\x1b[31m")
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    first, *rest = LineFormatter("{levelname} {message}", style="{").format(record).split("\n")
    assert first == "ERROR it failed"
    assert all(line.startswith("  ") for line in rest)
    assert rest[-1] == "  CRITICAL forged\\u001b[31m"
