"""What moving onto the ledger would do to one task: the remarks that make its verdict."""

import ast
from collections.abc import Iterator

from celeriac.scanning.arguments import Arguments, has_parameters, has_returns
from celeriac.scanning.call_verdicts import FLOW, Reached, call_remarks
from celeriac.scanning.calls import TaskCall, canvases
from celeriac.scanning.configuration import Configuration
from celeriac.scanning.constants import Value
from celeriac.scanning.declared import Declarations, Task
from celeriac.scanning.names import Names
from celeriac.scanning.options import TaskOptions
from celeriac.scanning.remarks import Remark, Weight
from celeriac.scanning.sources import SourceLine

#: Classes of others that keep a second of a task away by a lock of their own.
_SINGLETONS = {
    "celery_singleton.Singleton": "raise_on_duplicate",
    "celery_singleton.singleton.Singleton": "raise_on_duplicate",
    "celery_once.QueueOnce": "once",
    "celery_once.tasks.QueueOnce": "once",
}
#: Members of an own class of tasks that act when a task is sent, or that the ledger has no use for.
_AT_THE_CALL = ("apply_async", "delay", "send_event", "signature_from_request")
_NO_JOB_HAS = ("Request", "Strategy", "backend", "start_strategy", "from_config")
_JSON = ("json", "application/json")


class Verdicts:
    """Judges the tasks of a project."""

    def __init__(
        self,
        names: Names,
        configuration: Configuration,
        declarations: Declarations,
        options: TaskOptions,
    ) -> None:
        self._names = names
        self._configuration = configuration
        self._declarations = declarations
        self._options = options
        self._arguments = Arguments(names)

    def remarks(
        self, task: Task, calls: list[TaskCall], reached: dict[TaskCall, Reached]
    ) -> list[Remark]:
        """Return all that is to say of a task; `reached` are calls within others' transactions."""
        found = [
            *self._declaration(task),
            *self._classes(task),
            *self._serializers(task, calls),
            *self._body(task),
            *call_remarks(calls, reached),
            *self._arguments_of(task, calls),
        ]
        return sorted(found, key=lambda each: -each.weight)

    def _declaration(self, task: Task) -> Iterator[Remark]:
        if task.dynamic:
            yield Remark(Weight.UNKNOWN, task.dynamic, (task.place,))
        rate = self._options.value(task, "rate_limit")
        if not rate.known or rate.worth:
            yield Remark(
                Weight.LINE,
                f"rate_limit={rate} is each worker's own and says nothing of jobs: a breaker= or "
                "lock= of @job, or what the provider allows",
                (task.place,),
            )
        if task.option("backend") is not None:
            yield Remark(Weight.UNKNOWN, "a result backend of its own", (task.place,))

    def _classes(self, task: Task) -> Iterator[Remark]:
        for name in self._options.classes(task):
            if name in _SINGLETONS:
                yield Remark(
                    Weight.LINE,
                    f"base={name.rpartition('.')[2]}: its lock lies outside of the database, and "
                    "would outlive a rollback: say unique= (one that waits) or lock= (one that "
                    "runs) of @job or of celeriac.celery.shared_task",
                    (task.place,),
                )
                return
            found = self._names.definition(name)
            if self._declarations.is_task_class(name) or name == "object":
                continue
            if found is None or not isinstance(found[1], ast.ClassDef):
                yield Remark(Weight.UNKNOWN, f"its class {name} can't be read here", (task.place,))
                continue
            yield from _members(name, found[1], found[0].line_of(found[1]))

    def _serializers(self, task: Task, calls: list[TaskCall]) -> Iterator[Remark]:
        said = self._options.value(task, "serializer")
        own = [call.options["serializer"] for call in calls if "serializer" in call.options]
        for value in [said, *own]:
            if value.known and (value.worth in _JSON or value.worth is None):
                continue
            yield self._not_json(task, value, calls)
            break
        result = self._configuration.decide("result_serializer", "json")
        ignored = self._options.value(task, "ignore_result")
        if (
            not (result.known and result.worth in _JSON)
            and has_returns(task)
            and not ignored.is_true
        ):
            yield Remark(
                Weight.UNKNOWN, f"its result goes by {result}, and may be no JSON", (task.place,)
            )

    def _not_json(self, task: Task, value: Value, calls: list[TaskCall]) -> Remark:
        """Say what becomes of arguments that are no JSON today."""
        odd = list(self._arguments.odd(task, calls))
        if odd:
            places = tuple(dict.fromkeys(each.place for each in odd))
            said = "; ".join(dict.fromkeys(each.what for each in odd[:3]))
            return Remark(Weight.CANT, f"its arguments go by {value}, and {said}", places)
        if not has_parameters(task) and not has_returns(task):
            return Remark(Weight.AS_IS, f"the serializer is {value}, but nothing goes through it")
        if self._arguments.are_plain(task) or not has_parameters(task):
            return Remark(
                Weight.LINE,
                f"serializer='json': today it is {value}, and what its hints name is JSON",
                (task.place,),
            )
        return Remark(
            Weight.UNKNOWN,
            f"its arguments go by {value}: whether all of them are JSON, only a run tells "
            "(then it needs serializer='json')",
            (task.place,),
        )

    def _body(self, task: Task) -> Iterator[Remark]:
        """Say what a task's own code does that no job can."""
        if task.node is None:
            return
        built = list(canvases(self._names, task.module, task.node))
        if built:
            yield Remark(
                Weight.AS_IS,
                f"it builds a {built[0][0]}, which {FLOW}",
                tuple(task.module.line_of(node) for _, node in built),
            )
        for node in ast.walk(task.node):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value
                if isinstance(owner, ast.Name) and owner.id in ("self", "task"):
                    if node.func.attr in ("add_to_chord", "replace_in_chord"):
                        yield Remark(
                            Weight.CANT,
                            f"self.{node.func.attr}() is not there: use self.replace()",
                            (task.module.line_of(node),),
                        )
                    elif node.func.attr in ("start_strategy", "store_result"):
                        yield Remark(
                            Weight.UNKNOWN,
                            f"self.{node.func.attr}()",
                            (task.module.line_of(node),),
                        )

    def _arguments_of(self, task: Task, calls: list[TaskCall]) -> Iterator[Remark]:
        large = list(self._arguments.large(calls))
        if large:
            said = "; ".join(dict.fromkeys(each.what for each in large[:3]))
            places = tuple(dict.fromkeys(each.place for each in large))
            yield Remark(Weight.AS_IS, f"arguments may be large: {said}", places)


def _members(name: str, node: ast.ClassDef, place: SourceLine) -> Iterator[Remark]:
    """Say what an own class of tasks overrides."""
    members = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    members |= {
        target.id
        for each in node.body
        if isinstance(each, ast.Assign)
        for target in each.targets
        if isinstance(target, ast.Name)
    }
    short = name.rpartition(".")[2]
    if hooked := [each for each in _AT_THE_CALL if each in members]:
        yield Remark(
            Weight.CHANGES,
            f"{short}.{hooked[0]}() of its own runs at the call, also where the transaction "
            "around it is undone later",
            (place,),
        )
    if unused := [each for each in _NO_JOB_HAS if each in members]:
        yield Remark(Weight.UNKNOWN, f"{short}.{unused[0]} is a part of Celery's worker", (place,))
