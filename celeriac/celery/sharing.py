"""What a worker's children share with their parent: all that it has imported.

A child that collects garbage writes into every object that it looks at, and so gets a copy of
each page of them. What the parent had before the fork is none of its business.
"""

import gc

from celery import signals


def install_sharing() -> None:
    """Have workers keep what they forked from out of their children's collections."""
    # Celery tells of a fork in no other way.
    signals.worker_before_create_process.connect(
        keep_from_collections, weak=False, dispatch_uid="celeriac.sharing"
    )


def keep_from_collections(**_: object) -> None:
    """Leave what is there now out of all collections to come, here and in forks."""
    gc.collect()
    gc.freeze()
