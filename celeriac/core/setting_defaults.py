"""What a setting may be, and the defaults that are found out: see celeriac/settings.py."""

import os
from pathlib import Path
from typing import Annotated

from django.conf import settings
from pydantic import Field

from celeriac.core.environment import env

#: What settings may be: a time, days that rows are kept, a number of something, a part of a whole.
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Days = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]

#: Where the broker is, if nobody says.
LOCAL = "redis://localhost:6379/0"


def slot_directory() -> str:
    """Return where journals lie by default: a place that no cleaner of temporary files visits.

    systemd's StateDirectory, else /var/lib for root, else the user's own state.
    """
    given = env.str("STATE_DIRECTORY", default="").split(":")[0]
    if given:
        return str(Path(given) / "slots")
    state = env.str("XDG_STATE_HOME", default="")
    if not state.startswith("/"):
        state = str(Path(os.path.expanduser("~"), ".local/state"))
    if os.geteuid() == 0 or not state.startswith("/"):
        state = "/var/lib"
    return str(Path(state) / "celeriac" / "slots")


#: How addresses of RabbitMQ begin.
_AMQP = ("amqp", "amqps", "pyamqp")


def is_amqp(url: str) -> bool:
    """Return whether an address is one of RabbitMQ, which carries doorbells alone."""
    return url.partition("://")[0].lower() in _AMQP


def store_url() -> str:
    """Return the broker where it is a Redis or Valkey, "" where it is RabbitMQ."""
    url = broker_url()
    return "" if is_amqp(url) else url


def broker_url() -> str:
    """Return the broker that the project's Celery settings name."""
    for name in ("BROKER_URL", "CELERY_BROKER_URL"):
        if found := getattr(settings, name, ""):
            return str(found)
    return LOCAL
