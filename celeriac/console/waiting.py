"""Why a job waits, in sentences for people: see the package `explaining`."""

from celeriac.console.explaining.explain import view_of_job, waiting_reasons
from celeriac.jobs.phrases import Wait

__all__ = ["Wait", "view_of_job", "waiting_reasons"]
