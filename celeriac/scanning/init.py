"""What a project needs for the ledger beside its own code: apps, a setting, a class, a package."""

import ast
import re
from pathlib import Path

from celeriac.scanning.configuration import app_class
from celeriac.scanning.edits import Edits
from celeriac.scanning.installed import InstalledApps, NotFoundError, find_installed_apps
from celeriac.scanning.names import Names
from celeriac.scanning.sources import Module, Sources, is_test, texts

#: Django's apps and ours, in the order of INSTALLED_APPS.
APPS = (
    "django.contrib.postgres",
    "celeriac.core",
    "celeriac.breakers",
    "celeriac.jobs",
    "celeriac.builtin",
)
SETTING = 'CELERIAC = {"TASKS": []}  # names of the tasks that are jobs, such as "acme.mail.*"'
_OLD = {"celery.Celery", "celery.app.Celery", "celery.app.base.Celery"}
_IMPORT = "from celeriac.celery import Celery"
_REQUIREMENTS = re.compile(r"(^|/)(requirements[^/]*(/[^/]+)?\.(txt|in)|pyproject\.toml)$")
_CELERY = re.compile(
    r"^(?P<indent>\s*)(?P<quote>[\"']?)celery(?![\w.-])(?:\[[^\]]*\])?\s*"
    r"(?:[~=<>!][^\"'#;]*)?(?P=quote)(?P<end>,?)",
    re.IGNORECASE,
)


class Initialisation:
    """Plans the change of a project: what can be placed is an edit, what can't is a reason."""

    def __init__(self, root: Path, version: str, settings: str = "") -> None:
        self.edits = Edits(root)
        self.refusals: list[str] = []
        sources = Sources(root)
        self._modules = list(sources.candidates())
        self._names = Names(sources)
        self._installs(settings)
        self._app()
        self._requirement(root, version)

    def _installs(self, settings: str) -> None:
        try:
            found = find_installed_apps(self._modules, self._names, settings)
        except NotFoundError as reason:
            self.refusals.append(str(reason))
            return
        missing = [name for name in APPS if name not in found.names]
        if missing:
            lines = [f"{found.indent}{found.quote}{name}{found.quote}," for name in missing]
            if found.comma_after:
                line, text = found.comma_after
                self.edits.replace(found.file, line, text, f"{text},")
            self.edits.insert(found.file, found.last_line, lines)
        self._setting(found)

    def _setting(self, found: InstalledApps) -> None:
        """Place CELERIAC below what the file says of Celery, or below its apps."""
        body = found.module.tree.body
        if any("CELERIAC" in _targets(node) for node in body):
            return
        below = found.statement.end_lineno or found.statement.lineno
        for node in body:
            if any(name.startswith("CELERY_") for name in _targets(node)):
                below = max(below, node.end_lineno or node.lineno)
        self.edits.insert(found.file, below, [SETTING])

    def _app(self) -> None:
        """Let the class of the project's Celery app be the ledger's."""
        found = [
            (module, node)
            for module in self._modules
            for node in self._names.defined(module).values()
            if isinstance(node, ast.Call) and app_class(module, node.func, self._names)
        ]
        if not found:
            self.refusals.append(f"No Celery app was found: write `{_IMPORT}` where it is made.")
        for module, node in found:
            self._app_class(module, node.func)

    def _app_class(self, module: Module, node: ast.expr) -> None:
        name = self._names.full_name(module, node)
        if name.startswith("celeriac."):
            return
        defined = self._names.definition(name)
        if defined is not None and isinstance(defined[1], ast.ClassDef):
            for base in defined[1].bases:
                self._app_class(defined[0], base)
        elif name not in _OLD:
            self.refusals.append(
                f"{module.line_of(node)}: the app's class {name} is neither Celery's nor the "
                "project's: derive one from it and from celeriac.celery.Celery."
            )
        elif not self._replace_import(module, node):
            self.refusals.append(
                f"{module.line_of(node)}: write `{_IMPORT}` there in place of {name}."
            )

    def _replace_import(self, module: Module, node: ast.expr) -> bool:
        """Replace the import that a class comes from; False where it is none that we know."""
        text = ast.unparse(node)
        for each in module.nodes:
            if isinstance(each, ast.ImportFrom) and each.module == "celery" and each.level == 0:
                names = [alias.name for alias in each.names if alias.asname is None]
                if text != "Celery" or "Celery" not in names or each.lineno != each.end_lineno:
                    continue
                self._import(module, each, [name for name in names if name != "Celery"])
                return len(names) == len(each.names)
            if isinstance(each, ast.Import) and text == "celery.Celery":
                self.edits.replace(module.file, node.lineno, text, "Celery")
                self.edits.insert(module.file, each.lineno, [_IMPORT])
                return True
        return False

    def _import(self, module: Module, node: ast.ImportFrom, others: list[str]) -> None:
        old = ast.unparse(node)
        if others:
            rest = f"from celery import {', '.join(others)}"
            self.edits.replace(module.file, node.lineno, old, rest)
            self.edits.insert(module.file, node.lineno, [_IMPORT])
        else:
            self.edits.replace(module.file, node.lineno, old, _IMPORT)

    def _requirement(self, root: Path, version: str) -> None:
        """Name the package beside Celery, in the file that people edit."""
        wanted = f"celeriac>={version.rpartition('.')[0]}"
        files = {name: text for name, text in texts(root, _REQUIREMENTS) if not is_test(name)}
        places = []
        for name, text in files.items():
            if re.search(r"^\s*[\"']?celeriac\b", text, re.MULTILINE):
                return
            if "--hash=" in text or name.removesuffix(".txt") + ".in" in files:
                continue  # made from another file
            for number, line in enumerate(text.splitlines(), 1):
                if match := _CELERY.match(line):
                    places.append((name, number, match))
        if not places:
            self.refusals.append(f"No requirements file names celery: add {wanted} to yours.")
            return
        name, number, match = places[0]
        quote, end = match["quote"], match["end"] or ("," if match["quote"] else "")
        if match["quote"] and not match["end"]:
            self.edits.replace(name, number, match[0], f"{match[0]},")
        self.edits.insert(name, number, [f"{match['indent']}{quote}{wanted}{quote}{end}"])


def _targets(node: ast.stmt) -> list[str]:
    """Return the names that a statement assigns, in conditions as well."""
    return [
        each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    ]
