"""Asking the database in SQL."""

from typing import Any

from django.db import connection


def fetch_rows(statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    """Return every row of a statement's answer."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def fetch_row(statement: str, parameters: Any = None) -> Any:
    """Return the first row of a statement's answer, None where it has none."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()


def execute(statement: str, parameters: Any = None) -> None:
    """Run a statement that answers nothing."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
