"""The breakers of this process."""

import os
import threading
from typing import Any

from django.core.signals import setting_changed

from celeriac.breakers.breaker import SharedBreaker
from celeriac.breakers.shared_store import BreakerStore, connect_store
from celeriac.breakers.storage import BreakerStorage

_lock = threading.Lock()
_store: BreakerStore | None = None
_breakers: dict[str, SharedBreaker] = {}


def get_breaker(name: str) -> SharedBreaker:
    """Return the breaker `name`, the same object each time; raises UnknownBreaker."""
    global _store
    found = _breakers.get(name)
    if found is not None:
        return found
    with _lock:
        if name not in _breakers:
            if _store is None:
                _store = connect_store()
            _breakers[name] = SharedBreaker(name, BreakerStorage(name, _store))
        return _breakers[name]


def forget_breakers() -> None:
    """Drop every breaker of this process; the next use makes it anew."""
    global _store, _lock
    _lock = threading.Lock()
    _store = None
    _breakers.clear()


def _on_setting_changed(*, setting: str, **_: Any) -> None:
    if setting == "CELERIAC":
        forget_breakers()


# Tests change settings; what was made with the former ones goes.
setting_changed.connect(_on_setting_changed, dispatch_uid="celeriac.breakers.registry")
# A forked child shares no socket, lock or memory of the past with its parent.
os.register_at_fork(after_in_child=forget_breakers)
