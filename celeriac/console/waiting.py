"""Why a job waits, in sentences for people: see the room `explaining`."""

from celeriac.console.explaining.explain import view, waiting
from celeriac.console.explaining.queued import PARKING
from celeriac.jobs.words import Wait

__all__ = ["PARKING", "Wait", "view", "waiting"]
