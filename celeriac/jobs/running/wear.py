"""Wear: what a process has run and grown to, after which another takes its place.

Asked between two doorbells alone: nothing that runs or was claimed is given back for it. A child
that may run so many jobs more claims no others, and leaves the rest of its doorbell to another.
"""

import os
from pathlib import Path

from celeriac.settings import conf

_STATM = Path("/proc/self/statm")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MEGABYTE = 1 << 20


class Worn(str):
    """Why a process is replaced that did nothing wrong: nobody need be told."""

    __slots__ = ()


#: What the worker's own command says: `--max-tasks-per-child`, `--max-memory-per-child`.
_most_jobs: int | None = None
_most_megabytes: int | None = None


def use_limits(jobs: int | None, megabytes: int | None) -> None:
    """Have this process and its forks replaced after so many jobs, and from that size on."""
    global _most_jobs, _most_megabytes
    _most_jobs, _most_megabytes = jobs or None, megabytes or None


def jobs_left(jobs: int) -> int | None:
    """Return how many more a process may run that has run so many; None: as many as there are."""
    return None if _most_jobs is None else max(1, _most_jobs - jobs)


def worn(jobs: int) -> str:
    """Return why a process that has run so many jobs is to be replaced, or ''."""
    most, size = conf.CHILD_MAX_JOBS, conf.CHILD_MAX_MEMORY_MB
    if _most_jobs is not None and jobs >= _most_jobs:
        return Worn(f"it has run {jobs:,} jobs (--max-tasks-per-child is {_most_jobs:,})")
    if most is not None and jobs >= most:
        return Worn(f"it has run {jobs:,} jobs (CHILD_MAX_JOBS is {most:,})")
    size = min((each for each in (size, _most_megabytes) if each is not None), default=None)
    if size is not None and (resident := resident_megabytes()) > size:
        return Worn(f"it has grown to {resident:,} MB (it may have {size:,})")
    return ""


def resident_megabytes() -> int:
    """Return how much memory this process occupies, without what it shares with files; 0: unknown.

    What it shares with its parent counts: the system does not tell it apart at this price.
    """
    try:
        _, resident, shared, *_ = map(int, _STATM.read_text().split())
    except (OSError, ValueError):
        return 0
    return (resident - shared) * _PAGE // _MEGABYTE
