"""The tasks that a project declares: by decorator, by class, or through something of its own."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from celeriac.scanning.configuration import Configuration
from celeriac.scanning.constants import Value, known_value, shortened
from celeriac.scanning.names import Names
from celeriac.scanning.sources import Module, SourceLine

Function = ast.FunctionDef | ast.AsyncFunctionDef

_DECORATORS = {
    "celery.shared_task",
    "celery.app.shared_task",
    "celery.task",
    "celery.task.task",
    "celery.decorators.task",
    "celeriac.celery.shared_task",
}
_OF_APP = ("task", "periodic_task")
#: What an app is called where it can't be resolved.
_APP_NAMES = ("app", "celery_app", "celery", "current_app")
_TASK_CLASSES = {"celery.Task", "celery.app.task.Task", "celery.task.Task", "celery.task.base.Task"}
#: Names of celery that are apps.
_CELERYS_APPS = {"celery.current_app", "celery._state.current_app"}


@dataclass(eq=False)
class Task:
    """One task of the project: how it is declared, and what was found of its calls."""

    name: str
    place: SourceLine
    module: Module
    #: The full name of the function or class.
    full_name: str
    node: Function | ast.ClassDef | None
    options: dict[str, Value] = field(default_factory=dict)
    #: Full names of the classes it comes from, its own first.
    bases: list[str] = field(default_factory=list)
    #: Why the source alone doesn't tell its options, where it does not.
    dynamic: str = ""

    def option(self, name: str) -> Value | None:
        """Return what the decorator or the class says of an option."""
        return self.options.get(name)


@dataclass(frozen=True, slots=True)
class Registered:
    """A task as a running app knows it: its options as they hold."""

    name: str
    module: str
    function: str
    file: str
    line: int
    options: dict[str, object]
    #: Full names of the classes it comes from, Celery's own left out.
    bases: tuple[str, ...]


class Declarations:
    """Finds the tasks of a project's modules."""

    def __init__(self, modules: list[Module], names: Names, configuration: Configuration) -> None:
        self._names = names
        self._configuration = configuration
        self.tasks: dict[str, Task] = {}
        #: Functions and classes of the project that make tasks, and where each does.
        self._makers: dict[str, SourceLine] = {}
        for module in modules:
            self._find_makers(module)
        for module in modules:
            for task in self._declared_by(module):
                self.tasks.setdefault(task.full_name, task)

    def learn(self, registered: Iterable[Registered]) -> None:
        """Take from a running app what its tasks are called and how they are set up."""
        named = {f"{each.module}.{each.function}": each for each in registered}
        for full_name, each in named.items():
            task = self.tasks.get(full_name)
            if task is None:
                task = self._unwritten(each)
                self.tasks[full_name] = task
            elif not isinstance(task.node, ast.AsyncFunctionDef):
                task.dynamic = ""
            task.name = each.name
            task.options |= {key: known_value(worth) for key, worth in each.options.items()}
            task.bases = list(each.bases)
        for full_name, task in self.tasks.items():
            if full_name not in named and not task.dynamic:
                task.dynamic = "the running app does not know it"

    def _unwritten(self, each: Registered) -> Task:
        """Return a task that no file of the project declares."""
        full = f"{each.module}.{each.function}"
        module = Module(each.module, each.file, ast.Module([], []))
        task = Task(each.name, SourceLine(each.file, each.line), module, full, None)
        task.dynamic = "no file of the project declares it: its calls can't be seen"
        return task

    def by_name(self, name: str) -> Task | None:
        """Return the task that Celery calls so."""
        return next((task for task in self.tasks.values() if task.name == name), None)

    def is_declaring(self, module: Module, node: ast.expr) -> bool:
        """Tell whether an expression is `shared_task`, or an app's `task`."""
        name = self._names.full_name(module, node)
        if name in _DECORATORS:
            return True
        app, _, attribute = name.rpartition(".")
        if attribute not in _OF_APP or not app:
            return False
        if app in self._configuration.apps or app in _CELERYS_APPS:
            return True
        defined = self._names.definition(app)
        return defined is None and app.rpartition(".")[2] in _APP_NAMES

    def _find_makers(self, module: Module) -> None:
        """Note what calls `shared_task` elsewhere than above a function of a module's top."""
        for node in module.nodes:
            inside = isinstance(node, ast.expr) and self.is_declaring(module, node)
            outer = _outermost(module, node) if inside else None
            if outer is not None and not _is_decorator_of(module, node, outer):
                self._makers[f"{module.name}.{outer.name}"] = module.line_of(node)
        for name, node in self._names.defined(module).items():
            if isinstance(node, ast.Call) and any(
                self.is_declaring(module, each) for each in node.args[:1]
            ):  # partial(shared_task, bind=True)
                self._makers[f"{module.name}.{name}"] = module.line_of(node)

    def _declared_by(self, module: Module) -> Iterator[Task]:
        for node in module.nodes:
            if isinstance(node, Function):
                for decorator in node.decorator_list:
                    yield from self._decorated(module, node, decorator)
            elif isinstance(node, ast.ClassDef):
                yield from self._class(module, node)
        for name, node in self._names.defined(module).items():
            if isinstance(node, ast.Call):
                yield from self._assigned(module, name, node)

    def _decorated(self, module: Module, node: Function, decorator: ast.expr) -> Iterator[Task]:
        call = decorator if isinstance(decorator, ast.Call) else None
        called = call.func if call else decorator
        full = self._names.full_name(module, called)
        if not self.is_declaring(module, called) and full not in self._makers:
            return
        task = self._new(module, node.name, node, node)
        if call is not None:
            self._take_options(task, call)
        if isinstance(node, ast.AsyncFunctionDef):
            task.dynamic = "a coroutine: what runs it is not Celery's"
        if isinstance(next(module.parents(node), None), ast.ClassDef):
            task.dynamic = "a method: what self would be can't be seen here"
        if full in self._makers:
            task.dynamic = f"declared by {full} ({self._makers[full]})"
        elif (outer := module.function_of(node)) is not None:
            task.dynamic = f"declared inside {outer.name}(), as often as that is called"
            task.full_name += f"@{node.lineno}"
        yield task

    def _assigned(self, module: Module, name: str, node: ast.Call) -> Iterator[Task]:
        """Find `name = app.task(function)` and `name = shared_task(bind=True)(function)`."""
        inner = node.func if isinstance(node.func, ast.Call) else None
        if inner is not None and self.is_declaring(module, inner.func):
            calls = [inner]
        elif self.is_declaring(module, node.func) and node.args:
            calls = [node]
        else:
            return
        function = (
            self._names.definition(self._names.full_name(module, node.args[0]))
            if node.args
            else None
        )
        found = function[1] if function else None
        task = self._new(module, name, node, found if isinstance(found, Function) else None)
        if isinstance(found, Function) and function:
            task.name = f"{function[0].name}.{found.name}"
        else:
            task.dynamic = f"made of {shortened(node)}"
        for call in calls:
            self._take_options(task, call)
        yield task

    def _class(self, module: Module, node: ast.ClassDef) -> Iterator[Task]:
        """Find classes of tasks that have a `run` of their own, and a name."""
        bases = list(self._names.bases(module, node))
        if not any(self.is_task_class(base) for base in bases):
            return
        members = {each.name: each for each in node.body if isinstance(each, Function)}
        written = {
            target.id: self._names.value(module, each.value)
            for each in node.body
            if isinstance(each, ast.Assign)
            for target in each.targets
            if isinstance(target, ast.Name)
        }
        if "run" not in members or written.get("abstract", Value("")).is_true:
            return
        task = self._new(module, node.name, node, node)
        task.options = written
        task.bases = [task.full_name, *bases]
        if (name := written.get("name")) is not None and name.known:
            task.name = str(name.worth)
        yield task

    def is_task_class(self, name: str) -> bool:
        """Tell whether a full name is Celery's own class of tasks, or an app's."""
        app, _, attribute = name.rpartition(".")
        return name in _TASK_CLASSES or (attribute == "Task" and app in self._configuration.apps)

    def _new(
        self, module: Module, name: str, at: ast.AST, node: Function | ast.ClassDef | None
    ) -> Task:
        full = f"{module.name}.{name}"
        return Task(full, module.line_of(at), module, full, node)

    def _take_options(self, task: Task, call: ast.Call) -> None:
        for keyword in call.keywords:
            if keyword.arg is None:
                task.dynamic = f"options come from **{shortened(keyword.value)}"
            elif keyword.arg == "base":
                self._take_base(task, keyword.value)
            else:
                task.options[keyword.arg] = self._names.value(task.module, keyword.value)
        if (name := task.option("name")) is not None:
            task.name = str(name.worth) if name.known else f"{task.full_name} (named {name})"

    def _take_base(self, task: Task, node: ast.expr) -> None:
        name = self._names.full_name(task.module, node) or shortened(node)
        found = self._names.definition(name)
        task.bases = [name]
        if found is not None and isinstance(found[1], ast.ClassDef):
            task.bases += self._names.bases(found[0], found[1])


def _outermost(module: Module, node: ast.AST) -> Function | ast.ClassDef | None:
    """Return the function or class at the top of a module that a node stands in."""
    kinds = Function | ast.ClassDef
    found = [each for each in module.parents(node) if isinstance(each, kinds)]
    return found[-1] if found else None


def _is_decorator_of(module: Module, node: ast.AST, outer: Function | ast.ClassDef) -> bool:
    """Tell whether a node is, or is called as, a decorator of what stands at the top."""
    chain = [node, *module.parents(node)]
    return any(each in outer.decorator_list for each in chain)
