"""Wear: what a process has run and grown to, after which another takes its place.

Asked between two doorbells alone: nothing that runs or was claimed is given back for it.
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


def worn(jobs: int) -> str:
    """Return why a process that has run so many jobs is to be replaced, or ''."""
    most, size = conf.CHILD_MAX_JOBS, conf.CHILD_MAX_MEMORY_MB
    if most is not None and jobs >= most:
        return Worn(f"it has run {jobs:,} jobs (CHILD_MAX_JOBS is {most:,})")
    if size is not None and (resident := resident_megabytes()) > size:
        return Worn(f"it has grown to {resident:,} MB (CHILD_MAX_MEMORY_MB is {size:,})")
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
