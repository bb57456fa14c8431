"""Celery on the ledger: the app class, and Celery's own names for code that moves.

::

    from celeriac.celery import Celery          # in the project's celery.py
    from celeriac.celery import shared_task     # in the place of celery's

Names are imported when they are first asked for.
"""

from typing import TYPE_CHECKING, Any

from celeriac.core.lazy import load_name, typed_imports

if TYPE_CHECKING:
    from celeriac.celery.adopted.task import Task as Task
    from celeriac.celery.app import Celery as Celery, LedgerApp as LedgerApp
    from celeriac.celery.shared_tasks import (
        AsyncResult as AsyncResult,
        CanvasRefused as CanvasRefused,
        Ignore as Ignore,
        MaxRetriesExceededError as MaxRetriesExceededError,
        Reject as Reject,
        Retry as Retry,
        SoftTimeLimitExceeded as SoftTimeLimitExceeded,
        TimeoutError as TimeoutError,
        chain as chain,
        chord as chord,
        chunks as chunks,
        group as group,
        maybe_signature as maybe_signature,
        shared_task as shared_task,
        signature as signature,
        subtask as subtask,
        xmap as xmap,
        xstarmap as xstarmap,
    )

_HOMES = typed_imports(__name__)
__all__ = sorted(_HOMES)

#: What Celery has and the ledger does not, by the way out.
_ELSEWHERE = {
    "current_task": "use celeriac.current_job()",
    "current_app": "the app of this project is the one that its celery.py makes",
    "GroupResult": "keep the results that delay() returned, or count rows of your own",
    "ResultSet": "keep the results that delay() returned, or count rows of your own",
    "Signature": "enqueue the next job with current_job().enqueue(step, kind, args)",
    "uuid": "use uuid.uuid4()",
}


def __getattr__(name: str) -> Any:
    """Import a name from where it stands; say what to do about one that the ledger lacks."""
    if name in _ELSEWHERE:
        raise ImportError(f"celeriac.celery has no {name}: {_ELSEWHERE[name]}.")
    return load_name(__name__, _HOMES, name)
