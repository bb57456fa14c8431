"""A question that may hang, asked by a thread of its own: whoever waits, waits so long."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

from django.db import connections


class NoAnswer(Exception):
    """Nothing came within the time that there was; the question still hangs."""


class BoundedCall[T]:
    """Asks, and gives up waiting after `seconds`; no second question is sent after one that hangs.

    A server that is frozen keeps its connections open, and no timeout of its own ends a
    statement. Those who ask while a question is under way share its answer.
    """

    def __init__(self, ask: Callable[[], T], *, seconds: float, name: str) -> None:
        self._ask = ask
        self._seconds = seconds
        self._name = name
        self._lock = threading.Lock()
        self._answer: Future[T] | None = None

    def __call__(self) -> T:
        """Return the answer, or raise what asking raised; NoAnswer where none came in time."""
        with self._lock:
            if self._answer is None or self._answer.done():
                self._answer = Future()
                threading.Thread(
                    target=self._tell, args=[self._answer], name=self._name, daemon=True
                ).start()
            answer = self._answer
        try:
            return answer.result(self._seconds)
        except TimeoutError as error:
            if answer.done():
                raise  # the question's own
            raise NoAnswer(f"no answer within {self._seconds:g} s") from error

    def _tell(self, answer: Future[T]) -> None:
        try:
            found = self._ask()
        except BaseException as error:  # it belongs to whoever waits
            connections.close_all()
            answer.set_exception(error)
        else:
            connections.close_all()
            answer.set_result(found)
