"""A checker of PromQL: grammar and types as promtool has them, for what rules and panels use.

`check(text)` returns the selectors as (metric, {label: value}) and raises BadQuery with the place.
"""

import re

TOKEN = re.compile(
    r"""\s*(?:
    (?P<duration>(?:\d+(?:ms|[smhdwy]))+)
  | (?P<number>(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+|[iI]nf|NaN)(?![\w]))
  | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<variable>\$__rate_interval|\$__interval)
  | (?P<name>[a-zA-Z_][\w:]*)
  | (?P<symbol>==|!=|=~|!~|>=|<=|[-+*/%^=<>(){}\[\],:])
    )""",
    re.VERBOSE,
)
#: Aggregations, and how many parameters come before the vector.
AGGREGATIONS = {
    **dict.fromkeys(("sum", "min", "max", "avg", "count", "group", "stddev"), 0),
    **dict.fromkeys(("topk", "bottomk", "quantile"), 1),
}
#: Functions, and the types of their arguments.
FUNCTIONS = {
    **dict.fromkeys(("rate", "irate", "increase", "delta", "deriv", "changes"), ("range",)),
    **dict.fromkeys(("max_over_time", "min_over_time", "avg_over_time"), ("range",)),
    **dict.fromkeys(("abs", "ceil", "floor", "round", "absent", "scalar", "sort"), ("instant",)),
    "histogram_quantile": ("scalar", "instant"),
    "vector": ("scalar",),
    "time": (),
}
#: Binary operators by how tightly they bind, loosest first.
LEVELS = [
    {"or"},
    {"and", "unless"},
    {"==", "!=", "<=", "<", ">=", ">"},
    {"+", "-"},
    {"*", "/", "%"},
    {"^"},
]
SETS = {"or", "and", "unless"}


class BadQuery(Exception):
    """The query is none."""


def check(text):
    """Return the selectors of a query; BadQuery where Prometheus would refuse it."""
    parser = _Parser(text)
    parser.expression(0)
    if parser.peek() is not None:
        parser.fail("the end")
    return parser.selectors


class _Parser:
    def __init__(self, text):
        self.text = text
        self.tokens = _tokens(text)
        self.at = 0
        self.selectors = []

    def peek(self, ahead=0):
        """Return the text of a token to come."""
        place = self.at + ahead
        return self.tokens[place][1] if place < len(self.tokens) else None

    def take(self, wanted=None, kind=None):
        """Return the next token's text, which must be `wanted` or of a kind."""
        if self.at >= len(self.tokens):
            self.fail(wanted or kind)
        found, text = self.tokens[self.at]
        if (wanted is not None and text != wanted) or (kind is not None and found != kind):
            self.fail(wanted or kind)
        self.at += 1
        return text

    def fail(self, wanted):
        """Say what is missing where."""
        left = " ".join(text for _, text in self.tokens[self.at : self.at + 4]) or "the end"
        raise BadQuery(f"{wanted} is missing before {left!r} in {self.text!r}")

    def expression(self, level):
        """Read operators of this level and tighter ones; return the type."""
        if level == len(LEVELS):
            return self.unary()
        left = self.expression(level + 1)
        while self.peek() in LEVELS[level]:
            operator = self.take()
            compares = operator in LEVELS[2]
            if self.peek() == "bool" and compares:
                self.take("bool")
            self.matching()
            right = self.expression(level + 1)
            if "range" in (left, right) or (operator in SETS and "scalar" in (left, right)):
                raise BadQuery(f"{operator} is not for {left} and {right} in {self.text!r}")
            left = "instant" if "instant" in (left, right) else "scalar"
        return left

    def matching(self):
        """Read on(…), ignoring(…) and group_left(…)."""
        if self.peek() in ("on", "ignoring"):
            self.take()
            self.labels()
            if self.peek() in ("group_left", "group_right"):
                self.take()
                if self.peek() == "(":
                    self.labels()

    def labels(self):
        """Read names in parentheses."""
        self.take("(")
        while self.peek() != ")":
            self.take(kind="name")
            if self.peek() != ")":
                self.take(",")
        self.take(")")

    def unary(self):
        """Read a sign, a value, and what follows it in brackets."""
        if self.peek() in ("+", "-"):
            self.take()
        found = self.value()
        if self.peek() == "[":
            found = self.window(found)
        if self.peek() == "offset":
            self.take()
            self.take(kind="duration")
        return found

    def window(self, found):
        """Read [5m] or [5m:1m]."""
        if found != "instant":
            raise BadQuery(f"a range of a {found} in {self.text!r}")
        self.take("[")
        self.length()
        if self.peek() == ":":
            self.take(":")
            if self.peek() != "]":
                self.length()
        self.take("]")
        return "range"

    def length(self):
        """Read a duration, or one of Grafana's variables for one."""
        kind = self.tokens[self.at][0] if self.at < len(self.tokens) else None
        self.take(kind="variable" if kind == "variable" else "duration")

    def value(self):
        """Read a number, a call, an aggregation, a selector or parentheses."""
        kind = self.tokens[self.at][0] if self.at < len(self.tokens) else None
        if kind == "number":
            self.take()
            return "scalar"
        if self.peek() == "(":
            self.take("(")
            found = self.expression(0)
            self.take(")")
            return found
        name = self.take(kind="name")
        if name in AGGREGATIONS and self.peek() in ("(", "by", "without"):
            return self.aggregation(name)
        if self.peek() == "(":
            return self.call(name)
        return self.selector(name)

    def aggregation(self, name):
        """Read sum by (a) (x), or sum(x) by (a)."""
        grouped = self.grouping()
        self.arguments(name, ("scalar",) * AGGREGATIONS[name] + ("instant",))
        if not grouped:
            self.grouping()
        return "instant"

    def grouping(self):
        """Read by (…) or without (…), where it is there."""
        if self.peek() not in ("by", "without"):
            return False
        self.take()
        self.labels()
        return True

    def call(self, name):
        """Read a function's arguments."""
        if name not in FUNCTIONS:
            raise BadQuery(f"there is no function {name} in {self.text!r}")
        self.arguments(name, FUNCTIONS[name])
        return "scalar" if name in ("scalar", "time") else "instant"

    def arguments(self, name, types):
        """Read arguments of these types."""
        self.take("(")
        found = []
        while self.peek() != ")":
            found.append(self.expression(0))
            if self.peek() != ")":
                self.take(",")
        self.take(")")
        if tuple(found) != tuple(types):
            raise BadQuery(f"{name} takes {types}, not {found} in {self.text!r}")

    def selector(self, name):
        """Read a metric with its matchers."""
        matchers = {}
        if self.peek() == "{":
            self.take("{")
            while self.peek() != "}":
                label, operator = self.take(kind="name"), self.take(kind="symbol")
                if operator not in ("=", "!=", "=~", "!~"):
                    self.fail("a matcher")
                matchers[label] = self.take(kind="string")[1:-1]
                if "~" in operator:
                    re.compile(matchers[label].replace("$queue", ".*"))
                if self.peek() != "}":
                    self.take(",")
            self.take("}")
        self.selectors.append((name, matchers))
        return "instant"


def _tokens(text):
    found, at = [], 0
    while text[at:].strip():
        match = TOKEN.match(text, at)
        if match is None:
            raise BadQuery(f"{text[at : at + 20]!r} is no token in {text!r}")
        found.append((match.lastgroup, match.group(match.lastgroup)))
        at = match.end()
    return found
