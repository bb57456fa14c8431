"""Conditions that hand-written SQL and querysets share, so that each is written once."""

from collections.abc import Callable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, Func
from django.db.models.sql.compiler import SQLCompiler


class Condition(Func):
    """A function that makes SQL of columns, for the ORM.

    It takes the columns in the order in which their text appears.
    """

    output_field = BooleanField()

    def __init__(self, makes: Callable[..., str], *columns: Any) -> None:
        super().__init__(*columns)
        self.makes = makes

    def as_sql(  # type: ignore[override]  # of Func's options none is used
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: object
    ) -> tuple[str, tuple[str | int, ...]]:
        """Return the SQL and its parameters."""
        compiled = [compiler.compile(column) for column in self.get_source_expressions()]
        text = self.makes(*(sql for sql, _ in compiled))
        return text, tuple(value for _, values in compiled for value in values)
