"""Celery's settings and Django's, as the source writes them: each with its places."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from celeriac.scanning.constants import Value, known_value
from celeriac.scanning.names import Names
from celeriac.scanning.sources import Module, SourceLine

#: Celery's old names, and what they are called now.
_OLD = {
    "acks_late": "task_acks_late",
    "always_eager": "task_always_eager",
    "annotations": "task_annotations",
    "default_queue": "task_default_queue",
    "default_rate_limit": "task_default_rate_limit",
    "routes": "task_routes",
    "d_task_time_limit": "task_time_limit",
    "d_task_soft_time_limit": "task_soft_time_limit",
    "beat_schedule": "beat_schedule",
    "d_pool": "worker_pool",
    "beatschedule": "beat_schedule",
    "beat_scheduler": "beat_scheduler",
}
#: Of Django's settings, those that the ledger or a meaning depends on.
_OF_DJANGO = {"DATABASES", "ATOMIC_REQUESTS", "INSTALLED_APPS", "EMAIL_BACKEND", "CELERIAC"}
_PREFIX = re.compile(r"^CELERY_?([A-Z_]+)$")
_CONF = re.compile(r"(^|\.)conf\.([a-z_]+)$")
_FOR_TESTS = re.compile(r"(^|/)(settings_)?tests?(ing)?(_settings)?(\.py|/)")

_APP_CLASSES = {
    "celery.Celery",
    "celery.app.Celery",
    "celery.app.base.Celery",
    "celeriac.celery.Celery",
    "celeriac.celery.app.Celery",
    "tenant_schemas_celery.app.CeleryApp",
}


@dataclass(frozen=True, slots=True)
class Written:
    """One place that sets a setting."""

    value: Value
    place: SourceLine


@dataclass
class App:
    """A Celery app of the project."""

    name: str
    place: SourceLine
    cls: str
    #: Full names of the classes that its tasks come from, where it names its own.
    task_classes: list[str] = field(default_factory=list)


@dataclass
class Configuration:
    """All that the project's source sets, by Celery's lower-case names and by Django's."""

    written: dict[str, list[Written]] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)

    def add(self, name: str, value: Value, place: SourceLine) -> None:
        """Note that a place sets a setting."""
        self.written.setdefault(name, []).append(Written(value, place))

    def values(self, name: str) -> list[Written]:
        """Return what a setting is set to outside of tests' settings, in the order of the files."""
        written = self.written.get(name, [])
        return [each for each in written if not _FOR_TESTS.search(each.place.file)]

    def decide(self, name: str, default: object = None) -> Value:
        """Return what a setting is worth: unknown where places differ or only a run can tell."""
        written = self.values(name)
        if not written:
            return known_value(default)
        first = written[0].value
        if all(each.value.known and each.value.worth == first.worth for each in written):
            return first
        return Value(" or ".join(dict.fromkeys(str(each.value) for each in written)))

    @property
    def has_atomic_requests(self) -> bool:
        """Whether a view may run in a transaction of its own, as far as the source tells."""
        written = self.values("ATOMIC_REQUESTS")
        return any(each.value.is_true or not each.value.known for each in written)


def read_configuration(modules: list[Module], names: Names) -> Configuration:
    """Read the apps and the settings of a project's modules."""
    found = Configuration()
    for _ in range(2):  # settings lean on settings
        names.settings = _all_settings(modules, names)
    for module in modules:
        _read_apps(module, names, found)
    for module in modules:
        _read_settings(module, names, found)
    return found


def _all_settings(modules: list[Module], names: Names) -> dict[str, Value]:
    """Return what each setting is worth: unknown where two places say different things."""
    found: dict[str, Value] = {}
    for module in modules:
        if "settings" in module.file and not _FOR_TESTS.search(module.file):
            for name, node in _assignments(module):
                value = names.value(module, node)
                same = found.setdefault(name, value)
                if same is not value and not (
                    value.known and same.known and value.worth == same.worth
                ):
                    found[name] = Value(f"settings.{name}")
    return found


def _read_apps(module: Module, names: Names, found: Configuration) -> None:
    for name, node in names.defined(module).items():
        if isinstance(node, ast.Call) and (cls := app_class(module, node.func, names)):
            app = App(f"{module.name}.{name}", module.line_of(node), cls)
            for keyword in node.keywords:
                if keyword.arg == "task_cls":
                    app.task_classes.append(_class_name(module, keyword.value, names))
                elif keyword.arg in ("broker", "backend"):
                    setting = {"broker": "broker_url", "backend": "result_backend"}[keyword.arg]
                    found.add(setting, names.value(module, keyword.value), module.line_of(node))
            found.apps[app.name] = app


def app_class(module: Module, node: ast.expr, names: Names) -> str:
    """Return the full name of the class of Celery apps that an expression names, or ""."""
    name = names.full_name(module, node)
    if name in _APP_CLASSES:
        return name
    defined = names.definition(name) if name else None
    if defined is None or not isinstance(defined[1], ast.ClassDef):
        return ""
    return name if _APP_CLASSES & set(names.bases(defined[0], defined[1])) else ""


def _class_name(module: Module, node: ast.expr, names: Names) -> str:
    """Return the class that `task_cls=` names, by itself or as text (`"shop.tasks:Base"`)."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return names.canonical(node.value.replace(":", "."))
    return names.full_name(module, node) or ast.unparse(node)


def _read_settings(module: Module, names: Names, found: Configuration) -> None:
    is_settings = "settings" in module.file or module.file.endswith("celeryconfig.py")
    for node in module.nodes:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value is not None:
            _read_assignment(module, node, names, found, is_settings=is_settings)
        elif isinstance(node, ast.Call):
            full = names.full_name(module, node.func)
            if full.endswith(".conf.update"):
                for name, value in _updates(node):
                    found.add(name, names.value(module, value), module.line_of(node))


def _read_assignment(
    module: Module,
    node: ast.Assign | ast.AnnAssign | ast.AugAssign,
    names: Names,
    found: Configuration,
    *,
    is_settings: bool,
) -> None:
    value = names.value(module, node.value) if node.value else Value("")
    place = module.line_of(node)
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    for target in targets:
        full = names.full_name(module, target)
        if (conf := _CONF.search(full)) is not None:
            found.add(conf.group(2), value, place)
        elif full.endswith(".Task") and full.removesuffix(".Task") in found.apps:
            cls = _class_name(module, node.value, names) if node.value else ""
            found.apps[full.removesuffix(".Task")].task_classes.append(cls)
        elif is_settings and isinstance(target, ast.Name):
            _read_setting(target.id, value, place, found)
        elif is_settings and isinstance(target, ast.Subscript):
            _read_item(target, value, place, found)


def _read_setting(name: str, value: Value, place: SourceLine, found: Configuration) -> None:
    if name in _OF_DJANGO:
        found.add(name, value, place)
        if name == "DATABASES" and value.known and isinstance(value.worth, dict):
            for alias in value.worth.values():
                if isinstance(alias, dict) and "ATOMIC_REQUESTS" in alias:
                    found.add("ATOMIC_REQUESTS", _as_value(alias["ATOMIC_REQUESTS"]), place)
    elif name == "CELERY" and value.known and isinstance(value.worth, dict):
        for key, each in value.worth.items():
            found.add(str(key).lower(), _as_value(each), place)
    elif fits := _PREFIX.match(name):
        found.add(celery_name(fits.group(1)), value, place)
    elif name in ("BROKER_URL", "RESULT_BACKEND"):
        found.add(name.lower(), value, place)
    elif place.file.endswith("celeryconfig.py") and name.islower():
        found.add(name, value, place)


def _read_item(
    target: ast.Subscript, value: Value, place: SourceLine, found: Configuration
) -> None:
    """Read `DATABASES["default"]["ATOMIC_REQUESTS"] = True` and entries of a beat schedule."""
    key = target.slice
    if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
        return
    if key.value == "ATOMIC_REQUESTS":
        found.add("ATOMIC_REQUESTS", value, place)
    elif isinstance(target.value, ast.Name) and (fits := _PREFIX.match(target.value.id)):
        entry = Value("", known=True, worth={key.value: value.worth if value.known else value})
        found.add(celery_name(fits.group(1)), entry, place)


def celery_name(name: str) -> str:
    """Return Celery's own name of a setting, without the prefix `CELERY_`."""
    lower = name.lower()
    return _OLD.get(lower, lower)


def _as_value(worth: object) -> Value:
    return worth if isinstance(worth, Value) else known_value(worth)


def _updates(node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    for keyword in node.keywords:
        if keyword.arg:
            yield keyword.arg, keyword.value
    for given in node.args:
        if isinstance(given, ast.Dict):
            for key, value in zip(given.keys, given.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield celery_name(key.value), value


def _assignments(module: Module) -> Iterator[tuple[str, ast.expr]]:
    for node in module.nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value
