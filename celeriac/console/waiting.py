"""Why a job waits, in sentences for people: see the room `explaining`."""

from celeriac.console.explaining.explain import view, waiting
from celeriac.jobs.words import Wait

__all__ = ["Wait", "view", "waiting"]
