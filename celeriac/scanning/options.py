"""A task's options as they hold: its own, its classes', then Celery's settings."""

import ast
from dataclasses import dataclass

from celeriac.scanning.configuration import Configuration
from celeriac.scanning.constants import Value, known_value
from celeriac.scanning.declared import Task
from celeriac.scanning.names import Names

#: TaskOptions of a task that have a setting of Celery's behind them.
_SETTINGS = {
    "acks_late": ("task_acks_late", False),
    "reject_on_worker_lost": ("task_reject_on_worker_lost", None),
    "acks_on_failure_or_timeout": ("task_acks_on_failure_or_timeout", True),
    "time_limit": ("task_time_limit", None),
    "soft_time_limit": ("task_soft_time_limit", None),
    "serializer": ("task_serializer", "json"),
    "rate_limit": ("task_default_rate_limit", None),
    "ignore_result": ("task_ignore_result", False),
    "priority": ("task_default_priority", None),
    "queue": ("task_default_queue", "celery"),
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """What becomes of a run that began and lost its process, today and as a job."""

    code: str
    text: str


NEVER = Delivery("never", "never started again once it began")
HOST_LOST = Delivery("worker", "again if the whole worker is lost, not if only its child is")
AGAIN = Delivery("again", "again if its process is lost")


class TaskOptions:
    """Looks options up: where a task says nothing its classes do, then the settings."""

    def __init__(self, names: Names, configuration: Configuration) -> None:
        self._names = names
        self._configuration = configuration

    def classes(self, task: Task) -> list[str]:
        """Return the full names of the classes that a task comes from, its app's included."""
        if task.bases:
            return task.bases
        found = [each for app in self._configuration.apps.values() for each in app.task_classes]
        for name in list(found):
            defined = self._names.definition(name)
            if defined is not None and isinstance(defined[1], ast.ClassDef):
                found += self._names.bases(defined[0], defined[1])
        return found

    def own(self, task: Task, name: str) -> Value | None:
        """Return what the task or one of its classes says of an option."""
        said = task.option(name)
        if said is not None:
            return said
        for cls in self.classes(task):
            found = self._names.definition(f"{cls}.{name}")
            if found is not None and isinstance(found[1], ast.expr):
                return self._names.value(found[0], found[1])
        if task.dynamic and task.node is None:
            return Value(task.dynamic)
        return None

    def value(self, task: Task, name: str) -> Value:
        """Return what an option is worth for a task."""
        said = self.own(task, name)
        if said is not None:
            return said
        annotations = self._configuration.values("task_annotations")
        if annotations and not all(_is_silent(each.value, task, name) for each in annotations):
            return Value("task_annotations")
        setting, default = _SETTINGS[name]
        return self._configuration.decide(setting, default)

    def delivery(self, task: Task) -> Delivery:
        """Return what becomes of a run that lost its process."""
        again = self.own(task, "retry_on_worker_lost")
        if again is not None and again.is_true:
            return AGAIN
        late, reject = self.value(task, "acks_late"), self.value(task, "reject_on_worker_lost")
        if not late.known:
            return Delivery("unknown", f"acks_late is {late}")
        if not late.worth:
            return NEVER
        if not reject.known:
            return Delivery("unknown", f"acks_late; reject_on_worker_lost is {reject}")
        return AGAIN if reject.worth else HOST_LOST

    def limits(self, task: Task) -> dict[str, Value]:
        """Return the soft and the hard limit of a task, in seconds; None stands for none."""
        return {
            "soft": self.value(task, "soft_time_limit"),
            "hard": self.value(task, "time_limit"),
        }

    def retries(self, task: Task) -> Value:
        """Return how often a task is retried by its own wish."""
        said = self.own(task, "max_retries")
        return known_value(3) if said is None else said


def _is_silent(annotations: Value, task: Task, name: str) -> bool:
    """Tell whether task_annotations say nothing of an option of a task."""
    if not annotations.known or not isinstance(annotations.worth, dict):
        return False
    mine = [annotations.worth.get("*"), annotations.worth.get(task.name)]
    return all(each is None or (isinstance(each, dict) and name not in each) for each in mine)
