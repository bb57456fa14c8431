"""A scan of a project: its tasks with their verdicts, and what concerns all of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from celeriac.scanning.call_verdicts import IN_A_MIGRATION, INSIDE, UNSEEN, Reached
from celeriac.scanning.calls import CallFinder, TaskCall
from celeriac.scanning.configuration import Configuration, read_configuration
from celeriac.scanning.constants import Value
from celeriac.scanning.declared import Declarations, Registered, Task
from celeriac.scanning.names import Names
from celeriac.scanning.options import Delivery, TaskOptions
from celeriac.scanning.outside import outside_remarks
from celeriac.scanning.project import project_remarks
from celeriac.scanning.reach import Reach
from celeriac.scanning.remarks import Remark, Weight, heaviest
from celeriac.scanning.sources import Sources
from celeriac.scanning.transactions import Moment, Transactions
from celeriac.scanning.verdicts import Verdicts


@dataclass
class ScannedTask:
    """A task with all that is to say of it."""

    task: Task
    calls: list[TaskCall]
    delivery: Delivery
    limits: dict[str, Value]
    remarks: list[Remark]
    #: Entries of beat's schedule that fire it.
    ticks: list[str] = field(default_factory=list)

    @property
    def weight(self) -> Weight:
        """The heaviest of its remarks: the verdict."""
        return heaviest(self.remarks)


@dataclass
class ProjectScan:
    """What a scan of a folder found."""

    root: Path
    tasks: list[ScannedTask]
    project: list[Remark]
    #: Files that can't be read, with the reason.
    unread: dict[str, str]

    @property
    def exit_code(self) -> int:
        """0: all moves as it is; 1: something needs a look; 2: something can't be read."""
        if self.unread or not self.tasks:
            return 2
        weights = [each.weight for each in self.tasks] + [each.weight for each in self.project]
        return int(max(weights) > Weight.AS_IS)


def scan_project(root: Path, registered: Iterable[Registered] | None = None) -> ProjectScan:
    """ProjectScan a folder by its text alone, or with the tasks that a running app has."""
    sources = Sources(root)
    modules = list(sources.candidates())
    names = Names(sources)
    configuration = read_configuration(modules, names)
    declarations = Declarations(modules, names, configuration)
    if registered is not None:
        declarations.learn(registered)
    transactions = Transactions(modules, names)
    finder = CallFinder(names, declarations, transactions)
    for module in modules:
        finder.read_module(module)
    options = TaskOptions(names, configuration)
    verdicts = Verdicts(names, configuration, declarations, options)
    reach = Reach(modules, names, transactions)
    tasks = []
    for task in sorted(declarations.tasks.values(), key=lambda each: each.name):
        calls = finder.calls.of_task.get(task.full_name, [])
        reached = _reached(calls, reach, configuration)
        tasks.append(
            ScannedTask(
                task,
                calls,
                options.delivery(task),
                options.limits(task),
                verdicts.remarks(task, calls, reached),
                _ticks(task, configuration),
            )
        )
    project = [
        *project_remarks(modules, names, configuration, declarations, finder.calls),
        *outside_remarks(root),
    ]
    return ProjectScan(root, tasks, sorted(project, key=lambda each: -each.weight), sources.unread)


def _reached(
    calls: list[TaskCall], reach: Reach, configuration: Configuration
) -> dict[TaskCall, Reached]:
    """Return the calls that others' transactions may hold, with what is to say of them."""
    found: dict[TaskCall, Reached] = {}
    for call in calls:
        if call.moment is not Moment.PLAIN:
            continue
        if reach.migrated_by(call) is not None:
            found[call] = Reached(Weight.LINE, IN_A_MIGRATION)
        elif (place := reach.opened_by(call)) is not None:
            words = f"{INSIDE}; the function around it is called in one at {place}"
            found[call] = Reached(Weight.CHANGES, words)
        elif configuration.has_atomic_requests and _serves_requests(call):
            words = f"{INSIDE}; ATOMIC_REQUESTS puts one around each request"
            found[call] = Reached(Weight.CHANGES, words)
        elif (place := reach.handed_on_by(call)) is not None:
            words = f"the function around it is handed on as a value at {place}: {UNSEEN}"
            found[call] = Reached(Weight.UNKNOWN, words)
    return found


def _serves_requests(call: TaskCall) -> bool:
    """Tell whether a call may stand in a request: not in a task's module, nor in a command."""
    return "/management/" not in call.place.file and "tasks" not in call.module.name.split(".")[-1]


def _ticks(task: Task, configuration: Configuration) -> list[str]:
    """Return the entries of beat_schedule that fire a task."""
    return [
        str(key)
        for written in configuration.values("beat_schedule")
        if isinstance(written.value.worth, dict)
        for key, entry in written.value.worth.items()
        if isinstance(entry, dict) and entry.get("task") == task.name
    ]
