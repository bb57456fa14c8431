"""A Flower of its own for a test, with the settings pointed at it."""

import httpx

from celeriac.settings import conf
from sandbox import ports
from tests.support.processes import wait_until

LOGIN = "flower:a-password-for-tests"


def start_flower(processes, settings, *, env=None):
    """Start Flower and wait until it answers; return its process."""
    port = ports.free_port()
    process = processes.python(
        "flower",
        *("-m", "celery", "-A", "config", "flower"),
        *("--conf=flowerconfig.py", f"--port={port}"),
        env={"FLOWER_BASIC_AUTH": LOGIN, **(env or {})},
    )
    settings.CELERIAC = {**settings.CELERIAC, "FLOWER_URL": f"http://127.0.0.1:{port}"}
    settings.CELERIAC = {**settings.CELERIAC, "FLOWER_BASIC_AUTH": LOGIN}
    wait_until(lambda: answers(conf.FLOWER_URL) or not process.is_running, timeout=120)
    return process


def answers(url):
    """Say whether Flower is there."""
    try:
        return httpx.get(f"{url}/flower/healthcheck", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False
