"""Canaries: a doorbell for nobody, to one worker alone, which shows whether it answers."""

import logging
from collections.abc import Mapping
from typing import Any

from celery import Celery, Task
from celery.bootsteps import StartStopStep

from celeriac.celery import doorbells, worker
from celeriac.celery.headers import CANARY
from celeriac.celery.wires import canary_queue


class CanaryTask(Task):  # type: ignore[type-arg]  # not generic at run time
    """What a canary runs: a claim of a job that exists nowhere."""

    name = CANARY
    ignore_result = True
    Request = "celeriac.celery.doorbells:DoorbellRequest"

    def run(self, *_: object) -> None:
        """Answer, as any doorbell is answered."""
        doorbells.answer_canary()


class CanaryStep(StartStopStep):
    """Has the worker take from a queue of its own, too."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        """Add the queue before the first message is taken."""
        if (name := worker.canary_queue()) is not None:
            parent.task_consumer.add_queue(canary_queue(name, parent.connection))


def install_canaries(app: Celery) -> None:
    """Let workers of `app` be asked; their logs say nothing of it."""
    app.register_task(CanaryTask())
    app.steps["consumer"].add(CanaryStep)
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).addFilter(_is_of_a_task)


def _is_of_a_task(record: logging.LogRecord) -> bool:
    said: Any = record.args
    return not (isinstance(said, Mapping) and said.get("name") == CANARY)
