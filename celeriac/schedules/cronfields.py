"""Reading a crontab's five fields, as Celery writes them. Pure: no Django.

`*`, `*/n`, `a`, `a-b` (which may wrap around), `a-b/n`, names of days and months,
and lists of these with commas. Of 0 and 7 both are Sunday.
"""

from dataclasses import dataclass

from celeriac.schedules.errors import InvalidSchedule

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True)
class Field:
    """A field's range of values, and the names that stand for them."""

    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()

    def parse(self, text: str) -> frozenset[int]:
        """Return the values that `text` selects; InvalidSchedule says what is wrong with it."""
        chosen: set[int] = set()
        for part in text.replace(" ", "").lower().split(","):
            chosen.update(self._part(part))
        return frozenset(chosen)

    def _part(self, part: str) -> list[int]:
        values, slash, step = part.partition("/")
        if slash and (not step.isdecimal() or int(step) < 1):
            raise self._bad(part, "the step after '/' is a whole number from 1")
        if values == "*":
            return list(range(self.lowest, self.highest + 1))[:: int(step or 1)]
        first, dash, last = values.partition("-")
        if slash and not dash:
            raise self._bad(part, "a step needs '*' or a range before it")
        start = self._value(first, part)
        if not dash:
            return [start]
        return self._range(start, self._end(last, part))[:: int(step or 1)]

    def _range(self, start: int, end: int) -> list[int]:
        if start <= end:
            return [self._folded(value) for value in range(start, end + 1)]
        return [*range(start, self.highest + 1), *range(self.lowest, end + 1)]

    def _end(self, text: str, part: str) -> int:
        return 7 if self.names is _DAYS and text == "7" else self._value(text, part)

    def _value(self, text: str, part: str) -> int:
        if text[:3] in self.names and text.isalpha():
            return self.names.index(text[:3]) + self.lowest
        if not text.isdecimal():
            raise self._bad(part, f"{text!r} is no number")
        value = self._folded(int(text))
        if not self.lowest <= value <= self.highest:
            raise self._bad(part, f"{value} is outside {self.lowest} to {self.highest}")
        return value

    def _folded(self, value: int) -> int:
        return 0 if self.names is _DAYS and value == 7 else value

    def _bad(self, part: str, why: str) -> InvalidSchedule:
        text = f"{part!r}: {why}"
        return InvalidSchedule(f"{self.name} {text}.", errors={self.name: text})


#: The fields in order, as Celery and django-celery-beat call them.
FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")

MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23)
DAY_OF_MONTH = Field("day_of_month", 1, 31)
MONTH_OF_YEAR = Field("month_of_year", 1, 12, _MONTHS)
DAY_OF_WEEK = Field("day_of_week", 0, 6, _DAYS)
