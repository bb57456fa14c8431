"""`python -m config.web`: the web server, gunicorn, in the image, the Procfile and `make`.

Options of gunicorn may follow. WEB_CONCURRENCY says how many workers there are, WEB_PORT which
port of loopback they listen on (the image listens on all addresses, port 8000).
"""

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from celeriac.core.environment import env

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIPS = Path("/proc/self/cgroup")
#: The worker heartbeat file in memory: a slow disk must not look like a hung worker.
_MEMORY = Path("/dev/shm")  # noqa: S108 gunicorn makes a file of its own there


def main() -> None:
    """Become gunicorn; its own reading of WEB_CONCURRENCY takes no blank, and names nothing."""
    os.environ["WEB_CONCURRENCY"] = str(workers())
    from gunicorn.app.wsgiapp import run  # reads WEB_CONCURRENCY when imported

    sys.argv[1:] = ["config.wsgi", *options(sys.argv[1:])]
    run()


def workers() -> int:
    """Return how many processes answer requests: two a processor and one, or WEB_CONCURRENCY."""
    count: int = env.int("WEB_CONCURRENCY", default=2 * processors() + 1)
    if not count:
        raise ImproperlyConfigured("WEB_CONCURRENCY is 0: nobody would answer. Unset it, or say 1.")
    return count


def options(given: list[str]) -> list[str]:
    """Return gunicorn's options: ours, overruled by those given."""
    ours = ["--threads=4", "--graceful-timeout=30", "--no-control-socket"]
    # What a proxy says is believed where PROXIES declares one, by Django; gunicorn would believe
    # whoever connects from this machine.
    ours.append("--forwarded-allow-ips=")
    if os.access(_MEMORY, os.W_OK):
        ours.append(f"--worker-tmp-dir={_MEMORY}")
    if not any(option.startswith(("-b", "--bind")) for option in given):
        ours.append(f"--bind=127.0.0.1:{env.int('WEB_PORT', default=8000)}")
    return ours + given


def processors(root: Path = _CGROUPS, memberships: Path = _MEMBERSHIPS) -> int:
    """Return the processors that this container may use: those it may run on, up to its quota."""
    present = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    quotas = [math.ceil(quota) for quota in _quotas(root, memberships)]
    return max(1, min([present, *quotas]))


def _quotas(root: Path, memberships: Path) -> Iterator[float]:
    """Yield the quotas, in processors, of this process's control groups and all above them."""
    for line in _read(memberships).splitlines():
        number, controllers, path = line.split(":", 2)
        if number != "0" and "cpu" not in controllers.split(","):
            continue
        base = root if number == "0" else root / "cpu"
        place = base / path.strip("/")
        for group in (place, *place.parents):
            if group.is_relative_to(base):
                yield from _quota(group)


def _quota(group: Path) -> Iterator[float]:
    """Yield a group's quota, if it has one: `cpu.max` of version 2, `cpu.cfs_*` of version 1."""
    quota, _, period = _read(group / "cpu.max").partition(" ")
    if not quota:
        quota, period = (_read(group / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    if quota.strip().isdecimal() and period.strip().isdecimal():
        yield int(quota) / int(period)


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


if __name__ == "__main__":
    main()
