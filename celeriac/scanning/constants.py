"""What an expression of the source is worth, where it can be known without running it."""

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Value:
    """An expression: its text, and what it is worth where that is `known`."""

    text: str
    known: bool = False
    worth: Any = None

    @property
    def is_true(self) -> bool:
        """Whether it is known to be true."""
        return self.known and bool(self.worth)

    def __str__(self) -> str:
        return repr(self.worth) if self.known else self.text


#: Tells what a name or an attribute is worth; None where it can't.
Lookup = Callable[[ast.expr], "Value | None"]

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


def known_value(worth: Any) -> Value:
    """Return a value that is known."""
    return Value(repr(worth), known=True, worth=worth)


def evaluate(node: ast.expr, look_up: Lookup) -> Value:
    """Return what an expression is worth: literals, arithmetic, and names that can be looked up."""
    text = shortened(node)
    try:
        return Value(text, known=True, worth=_worth(node, look_up))
    except _UnknownError:
        return Value(text)


def shortened(node: ast.AST, longest: int = 60) -> str:
    """Return the text of a node on one line."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


class _UnknownError(Exception):
    """Only a running program knows."""


def _worth(node: ast.expr, look_up: Lookup) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.List() | ast.Tuple() | ast.Set():
            items = [_worth(each, look_up) for each in node.elts]
            return items if isinstance(node, ast.List) else tuple(items)
        case ast.Dict():
            return _dictionary(node, look_up)
        case ast.UnaryOp(op=ast.USub()):
            return -_number(_worth(node.operand, look_up))
        case ast.UnaryOp(op=ast.Not()):
            return not _worth(node.operand, look_up)
        case ast.BinOp():
            return _arithmetic(node, look_up)
        case ast.Name() | ast.Attribute():
            value = look_up(node)
            if value is not None and value.known:
                return value.worth
    raise _UnknownError


def _dictionary(node: ast.Dict, look_up: Lookup) -> dict[Any, Any]:
    """Return a dict with the entries that are known; the others are worth their text."""
    found = {}
    for key, item in zip(node.keys, node.values, strict=True):
        if key is None:
            raise _UnknownError
        value = evaluate(item, look_up)
        found[_worth(key, look_up)] = value.worth if value.known else value
    return found


def _arithmetic(node: ast.BinOp, look_up: Lookup) -> Any:
    calculate = _OPERATORS.get(type(node.op))
    if calculate is None:
        raise _UnknownError
    left, right = _worth(node.left, look_up), _worth(node.right, look_up)
    try:
        return calculate(left, right)
    except (TypeError, ZeroDivisionError):
        raise _UnknownError from None


def _number(worth: Any) -> Any:
    if not isinstance(worth, int | float):
        raise _UnknownError
    return worth
