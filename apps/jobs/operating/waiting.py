"""Why a job waits, in sentences for people: see the room `explaining`."""

from apps.jobs.explaining.explain import view, waiting
from apps.jobs.explaining.queued import PARKING
from apps.jobs.explaining.words import Wait

__all__ = ["PARKING", "Wait", "view", "waiting"]
