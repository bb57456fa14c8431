"""What the figures were measured on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from bench.environment import Environment
from bench.rows import CHILDREN

_PACKAGES = (
    *("celery", "kombu", "django", "psycopg", "redis", "hiredis"),
    *("django-celery-results", "billiard"),
)


def describe(environment: Environment) -> dict[str, Any]:
    """Return the machine block of the results."""
    return {
        "cpus": os.cpu_count(),
        "cpu": _processor(),
        "memory_mb": psutil.virtual_memory().total // 1_000_000,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "postgresql": environment.version("postgres"),
        "valkey": environment.version("valkey"),
        "packages": {name: version(name) for name in _PACKAGES},
        "worker_children": CHILDREN,
        "commit": {
            "enqueue": "synchronous: one transaction with the caller's row, every side alike",
            "claim": "asynchronous: a forgotten claim is refused by its fence",
            "settle": "synchronous",
            "results": "synchronous (django-celery-results)",
            "plain": "late acknowledgement in Valkey, which keeps nothing on disk",
            "server": environment.commit_settings(),
        },
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
