"""What settings there are, read from the code that makes them."""

import ast
import re
from dataclasses import MISSING

from celeriac.settings import Settings
from sandbox.variables import _VARIABLES, reads
from tests.support.servers import ROOT

PARTS = ROOT / "config" / "settings" / "parts"
#: Django's, Celery's and other packages' own names; their manuals have them.
FOREIGN = (
    "ADMIN_CSP", "CELERIAC", "VARIABLES",
    "ANYMAIL", "AUTH", "AXES", "CACHES", "CELERY_", "CSRF_", "DATABASES", "DEFAULT_",
    "EMAIL_",
    "LOGGING", "LOG_FORMATS", "LOGIN_", "PASSWORD", "REST_FRAMEWORK", "SECRET_KEY_FALLBACKS",
    "SECURE_", "SESSION_", "SPECTACULAR_", "STORAGES", "TASKS", "UNFOLD", "X_FRAME_OPTIONS",
)  # fmt: skip
#: Too long for a cell.
LONG = 48


def variables():
    """Return each variable's default, as production has it, as code."""
    found = {}
    order = ["production.py", "", "development.py", "test.py"]

    def place(each):
        name = each.file.removeprefix("config/settings/")
        return order.index(name) if name in order else 1

    for each in sorted(reads(), key=place):
        found.setdefault(each.name, shown(each.default))
    return found


def settings():
    """Return the default of each setting of ours that no variable sets, as code."""
    found = {}
    joined = re.findall(r"parts\.(\w+) import \*", (PARTS.parent / "base.py").read_text())
    for file in [PARTS / f"{name}.py" for name in joined]:
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            name, value = assigned(node)
            if name is None or not name.isupper() or name.startswith(("_", *FOREIGN)):
                continue
            if "env." not in ast.unparse(value):
                found[name] = shown(ast.unparse(value))
    return found


def keys():
    """Return the default of each key of CELERIAC that no variable sets, as code."""
    fields = {f"{name}": each for name, each in Settings.__dataclass_fields__.items()}
    return {
        name: shown(repr(each.default) if each.default is not MISSING else "…" + "x" * LONG)
        for name, each in fields.items()
        if name not in set(_VARIABLES)
    }


def assigned(node):
    """Return the name and the value of a plain assignment, or nothing."""
    match node:
        case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
            return name, value
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value
    return None, None


def shown(code):
    """Return a default as the page shows it."""
    if code.startswith("env."):
        return ast.parse(code, mode="eval").body.args[0].value
    return code if len(code) <= LONG else "…"
