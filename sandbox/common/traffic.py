"""What is under way, and how a reset waits for its end."""

import contextlib
import threading
from collections.abc import Iterator

#: Seconds that waiting lasts at most; a reset goes on after it, a newcomer comes in.
PATIENCE = 3.0


class Traffic:
    """Counts what is under way; nothing new begins while somebody has it halted."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way = 0
        self._is_halted = False

    @contextlib.contextmanager
    def passing(self) -> Iterator[None]:
        """Be under way in the block, which begins once nobody has the traffic halted."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_halted, PATIENCE)
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def halted(self) -> Iterator[None]:
        """Wait until nothing is under way, and let nothing begin before the block ends."""
        with self._changed:
            self._is_halted = True
            self._changed.wait_for(lambda: self._under_way == 0, PATIENCE)
        try:
            yield
        finally:
            with self._changed:
                self._is_halted = False
                self._changed.notify_all()
