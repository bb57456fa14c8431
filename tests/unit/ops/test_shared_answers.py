"""An answer that many share."""

import threading

from celeriac.core.tracing import _facts
from celeriac.monitoring.shared_answers import SharedAnswer


def test_many_who_ask_cost_one_look():
    """Until the answer is too old."""
    asked = []
    fresh = SharedAnswer(lambda: asked.append(1) or len(asked), lives=60.0)
    assert [fresh() for _ in range(5)] == [1] * 5
    fresh.forget()
    assert fresh() == 2


def test_while_one_asks_others_get_the_last_answer():
    """A look that hangs holds up one thread, not all of the web's."""
    going, go_on = threading.Event(), threading.Event()
    answers = iter([lambda: "old", lambda: going.set() or (go_on.wait(30) and "new")])
    fresh = SharedAnswer(lambda: next(answers)(), lives=0.0)
    assert fresh() == "old"
    slow = []
    thread = threading.Thread(target=lambda: slow.append(fresh()))
    thread.start()
    assert going.wait(30)
    assert fresh() == "old"
    go_on.set()
    thread.join(30)
    assert slow == ["new"]


def test_a_look_that_failed_is_tried_again():
    """The error goes to who asked, and nobody is locked out."""
    answers = iter([lambda: 1 / 0, lambda: "well"])
    fresh = SharedAnswer(lambda: next(answers)(), lives=60.0)
    try:
        fresh()
    except ZeroDivisionError:
        assert fresh() == "well"


def test_a_spans_error_is_masked():
    """Message and traceback, as everywhere."""
    facts = _facts(ValueError("card 4111"), lambda text: text.replace("4111", "•••"))
    assert facts["exception.type"] == "ValueError"
    assert facts["exception.message"] == "card •••"
    assert "4111" not in facts["exception.stacktrace"]
