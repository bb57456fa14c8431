"""`enqueue` and its kin with an overload for each declared kind, as a module of Python."""

import inspect
import re
from collections.abc import Iterable, Iterator
from itertools import chain, count
from keyword import iskeyword
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from celeriac.jobs.enqueueing.draft import EnqueueOptions
from celeriac.jobs.enqueueing.enqueue import BatchOptions
from celeriac.jobs.handle import JobHandle
from celeriac.jobs.registry import Kind

#: Function -> its second parameter, its options, what it returns, whether it is a coroutine.
_ONE = ("args: {args}", EnqueueOptions, "JobHandle[{result}]")
_MANY = ("list_of_args: Iterable[{args}]", BatchOptions, "list[JobHandle[{result}]]")
_FUNCTIONS = {
    "enqueue": (*_ONE, ""),
    "aenqueue": (*_ONE, "async "),
    "enqueue_many": (*_MANY, ""),
    "aenqueue_many": (*_MANY, "async "),
}
#: What the module may need of typing.
_TYPED = ("Any", "Literal", "NotRequired", "Protocol", "TypedDict", "Unpack", "overload")
_HEAD = '''"""Enqueueing by kind, with its types. Written by `manage.py celeriac stubs`."""

# fmt: off
# ruff: noqa
'''


def stubs_text(kinds: Iterable[Kind]) -> str:
    """Return the module: import `enqueue` from it in the place of `celeriac`'s.

    A type that has no name to import (one of a function's own, a variable) becomes Any.
    """
    modules = {"celeriac"}
    chosen = _by_class(kinds)
    classes = [line for name, kind in chosen.items() for line in _arguments(name, kind, modules)]
    protocols = [line for name in _FUNCTIONS for line in _protocol(name, chosen, modules)]
    values = [f"{name}: _{_camel(name)} = celeriac.{name}" for name in _FUNCTIONS]
    body = "\n".join([*classes, *protocols, "", *values])
    return f"{_HEAD}\n{_imports(modules, body)}\n{body}\n"


def _by_class(kinds: Iterable[Kind]) -> dict[str, Kind]:
    """Return the kinds by their class's name: one that Python can read and nothing else has."""
    found: dict[str, Kind] = {}
    taken = {*_TYPED, "Iterable", "JobHandle", "EnqueueOptions", "BatchOptions"}
    for kind in kinds:
        name = _camel(kind.name)
        stem = name if name.isidentifier() and not iskeyword(name) else f"Kind{name}"
        numbered = (f"{stem}_{number}" for number in count(2))
        name = next(each for each in chain([stem], numbered) if each not in taken)
        taken.add(name)
        found[name] = kind
    return found


def _imports(modules: set[str], body: str) -> str:
    used = [name for name in _TYPED if re.search(rf"\b{name}\b", body)]
    ours = (JobHandle, EnqueueOptions, BatchOptions)
    owned = [f"from {each.__module__} import {each.__name__}" for each in ours]
    lines = [*(f"import {module}" for module in sorted(modules - {"builtins"}))]
    lines += ["from collections.abc import Iterable", f"from typing import {', '.join(used)}"]
    return "\n".join([*lines, *sorted(owned)]) + "\n"


def _arguments(class_name: str, kind: Kind, modules: set[str]) -> Iterator[str]:
    """Yield the lines of the class of a kind's arguments."""
    hints = get_type_hints(kind.handler)
    quoted = kind.name.replace("\\", r"\\").replace('"', r"\"")
    yield f"\nclass {class_name}(TypedDict):"
    yield f'    """The arguments of {quoted}."""\n'
    for name in kind.schema.fields:
        hint = _annotation(hints.get(name, Any), modules)
        if name in kind.schema.defaults:
            if kind.schema.defaults[name] is None and "None" not in hint.split(" | "):
                hint = f"{hint} | None"
            hint = f"NotRequired[{hint}]"
        yield f"    {name}: {hint}"
    yield ""


def _protocol(function: str, kinds: dict[str, Kind], modules: set[str]) -> Iterator[str]:
    """Yield the lines of the type of one function: an overload for each kind."""
    args, options, returned, coroutine = _FUNCTIONS[function]
    apart = "survives_rollback: bool = False, " if options is EnqueueOptions else ""
    yield f"\nclass _{_camel(function)}(Protocol):"
    for class_name, kind in kinds.items():
        result = _annotation(get_type_hints(kind.handler).get("return", Any), modules)
        names = ", ".join(repr(name) for name in (kind.name, *kind.aliases))
        if len(kinds) > 1:
            yield "    @overload"
        yield f"    {coroutine}def __call__("
        yield f"        self, kind: Literal[{names}], {args.format(args=class_name)},"
        yield "        *, detached: bool = False,"
        yield f"        {apart}**options: Unpack[{options.__name__}],"
        yield f"    ) -> {returned.format(result=result)}: ..."
    yield ""


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"\W|_", name))


def _annotation(hint: Any, modules: set[str]) -> str:
    """Return a type as source text; add the modules that it needs to `modules`."""
    origin, inside = get_origin(hint), get_args(hint)
    if hint in (None, NoneType, Any):
        return "Any" if hint is Any else "None"
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, inside))}]"
    if origin is Annotated:
        return _annotation(inside[0], modules)
    if origin in (Union, UnionType):
        return " | ".join(_annotation(each, modules) for each in inside)
    if origin is not None:
        parts = ["..." if each is ... else _annotation(each, modules) for each in inside]
        return f"{_name(origin, modules)}[{', '.join(parts)}]"
    return _name(hint, modules)


def _name(hint: Any, modules: set[str]) -> str:
    module = getattr(hint, "__module__", None)
    name = getattr(hint, "__qualname__", None)
    if not (isinstance(name, str) and module and inspect.isclass(hint)) or "<locals>" in name:
        return "Any"
    modules.add(module)
    return name if module == "builtins" else f"{module}.{name}"
