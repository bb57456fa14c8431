"""Django's `flush`, fast where the database is near what an earlier one left behind."""

from typing import Any

from django.core.management.commands import flush
from django.db import connections

from celeriac.testing import flushing


class Command(flush.Command):
    """Empties what holds rows; what Django itself wrote after the first flush stays."""

    def handle(self, **options: Any) -> None:
        """Flush; Django's own way, where ours would leave anything else behind than it."""
        connection = connections[options["database"]]
        usual = _is_usual(options) and connection.vendor == "postgresql"
        if usual and flushing.empty_again(connection):
            return
        flushing.forget_database(connection)
        super().handle(**options)
        if usual:
            flushing.remember_database(connection)


def _is_usual(options: dict[str, Any]) -> bool:
    """Whether it is the end of a TransactionTestCase that asks for nothing special."""
    special = ("interactive", "allow_cascade", "inhibit_post_migrate")
    return not (options.get("reset_sequences", True) or any(options.get(name) for name in special))
