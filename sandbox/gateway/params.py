"""Form parameters as Stripe reads them: nested names, strict about what it does not know."""

from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import parse_qsl

from sandbox.gateway.errors import invalid

METADATA_KEYS = 50
METADATA_KEY_LENGTH = 40
METADATA_VALUE_LENGTH = 500


def decode(encoded: str) -> "Params":
    """Return `a[b][c]=1&d[]=2` as nested parameters; raises ApiError on nonsense."""
    root: dict[str, Any] = {}
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, strict_parsing=bool(encoded))
    except ValueError as error:
        raise invalid(f"The parameters can't be decoded: {error}.") from error
    for name, value in pairs:
        _put(root, _steps(name), value)
    return Params(root)


def _steps(name: str) -> list[str]:
    head, *rest = name.split("[")
    return [head, *(step.removesuffix("]") for step in rest)]


def _put(node: dict[str, Any], steps: list[str], value: str) -> None:
    for step in steps[:-1]:
        child = node.setdefault(step or str(len(node)), {})
        if not isinstance(child, dict):
            raise invalid(f"Invalid object: {steps[0]}", steps[0])
        node = child
    node[steps[-1] or str(len(node))] = value


class Params:
    """Decoded parameters with typed readers; each raises ApiError (400) that names the field."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def only(self, known: Collection[str]) -> "Params":
        """Return self; raises for a parameter that is not known."""
        unknown = [name for name in self.values if name not in known]
        if unknown:
            named = ", ".join(unknown)
            raise invalid(f"Received unknown parameter: {named}", unknown[0], "parameter_unknown")
        return self

    def text(self, name: str) -> str | None:
        """Return a string, None when absent or empty."""
        value = self.values.get(name)
        if isinstance(value, dict):
            raise invalid(f"Invalid string: {name}", name)
        return value or None

    def required(self, name: str) -> str:
        """Return a string that must be there."""
        value = self.text(name)
        if value is None:
            raise invalid(f"Missing required param: {name}.", name, "parameter_missing")
        return value

    def integer(self, name: str, *, least: int, most: int = 99_999_999) -> int | None:
        """Return an integer in range, None when absent."""
        value = self.text(name)
        if value is None:
            return None
        if not value.removeprefix("-").isdigit():
            raise invalid(f"Invalid integer: {value}", name, "parameter_invalid_integer")
        number = int(value)
        if not least <= number <= most:
            message = f"Invalid integer: {name} must be between {least} and {most}."
            raise invalid(message, name, "parameter_invalid_integer")
        return number

    def flag(self, name: str) -> bool:
        """Return a boolean, False when absent."""
        value = self.text(name)
        if value not in {None, "true", "false"}:
            raise invalid(f"Invalid boolean: {value}", name)
        return value == "true"

    def one_of(self, name: str, choices: Iterable[str], default: str) -> str:
        """Return one of the choices."""
        value, allowed = self.text(name) or default, list(choices)
        if value not in allowed:
            raise invalid(f"Invalid {name}: must be one of {', '.join(allowed)}", name)
        return value

    def items(self, name: str) -> list[str]:
        """Return an array of strings."""
        value = self.values.get(name, {})
        if not isinstance(value, dict):
            raise invalid("Invalid array", name)
        return [str(item) for item in value.values()]

    def nested(self, name: str) -> "Params":
        """Return a hash, empty when absent."""
        value = self.values.get(name, {})
        if not isinstance(value, dict):
            raise invalid("Invalid hash", name)
        return Params(value)

    def metadata(self) -> dict[str, str]:
        """Return the metadata hash within Stripe's limits."""
        values = self.nested("metadata").values
        for key, value in values.items():
            if len(key) > METADATA_KEY_LENGTH or not isinstance(value, str):
                raise invalid(f"Invalid metadata key: {key}", "metadata")
            if len(value) > METADATA_VALUE_LENGTH:
                raise invalid(f"Metadata values can't be that long: {key}", f"metadata[{key}]")
        if len(values) > METADATA_KEYS:
            raise invalid(f"Metadata can have up to {METADATA_KEYS} keys.", "metadata")
        return values
