"""What the database counted: statements, write-ahead log, row versions."""

from dataclasses import dataclass
from typing import Any

from django.db import connection

from bench.engine import engine

#: The bench's own statements carry the comment and are left out.
_STATEMENTS = """
SELECT /* bench */ coalesce(sum(s.calls), 0)::bigint
FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
WHERE d.datname = current_database() AND s.query NOT LIKE '%%/* bench */%%'
  AND s.query NOT LIKE '%%pg_stat_statements_reset%%'
"""
_ROWS = """
SELECT /* bench */ n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del
FROM pg_stat_user_tables WHERE relname = %s
"""
_DATABASE = """
SELECT /* bench */ xact_commit, sessions FROM pg_stat_database WHERE datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went through the database so far."""

    statements: int
    wal_bytes: int

    def per_job(self, before: "Traffic", jobs: int) -> dict[str, float]:
        """Return the difference to an earlier reading, for each of `jobs` jobs."""
        return {
            "statements_per_job": (self.statements - before.statements) / jobs,
            "wal_bytes_per_job": (self.wal_bytes - before.wal_bytes) / jobs,
        }


@dataclass(frozen=True, slots=True)
class Versions:
    """Row versions that the job table has seen."""

    inserted: int
    updated: int
    hot: int
    deleted: int

    def per_job(self, before: "Versions", jobs: int) -> dict[str, float]:
        """Return the difference to an earlier reading, for each of `jobs` jobs."""
        inserted, updated = self.inserted - before.inserted, self.updated - before.updated
        return {
            "inserts_per_job": inserted / jobs,
            "updates_per_job": updated / jobs,
            "hot_updates_per_job": (self.hot - before.hot) / jobs,
            "row_versions_per_job": (inserted + updated) / jobs,
        }


def traffic() -> Traffic:
    """Read the counters that are always up to date."""
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENTS)
        statements = cursor.fetchone()[0]
        cursor.execute("SELECT /* bench */ pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        return Traffic(int(statements), int(cursor.fetchone()[0]))


def versions() -> Versions:
    """Read the job table's counters: exact once every other writer has disconnected."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT /* bench */ pg_stat_force_next_flush()")
        cursor.execute("SELECT /* bench */ 1")  # the flush happens when this one ends
        cursor.execute(_ROWS, [engine().table("JOB")])
        return Versions(*cursor.fetchone())


@dataclass(frozen=True, slots=True)
class Database:
    """What the database did so far, besides statements."""

    traffic: Traffic
    commits: int
    sessions: int

    def per_job(self, before: "Database", jobs: int) -> dict[str, Any]:
        """Return the difference to an earlier reading, for each of `jobs` jobs.

        Servers count commits up to a second late, so that a short run misses some.
        """
        return self.traffic.per_job(before.traffic, jobs) | {
            "transactions_per_job": (self.commits - before.commits) / jobs,
            "connections_opened_per_job": (self.sessions - before.sessions) / jobs,
        }


def database() -> Database:
    """Read the counters of this database."""
    with connection.cursor() as cursor:
        cursor.execute(_DATABASE)
        commits, sessions = cursor.fetchone()
    return Database(traffic(), commits, sessions)


def port() -> int:
    """Return the port that this process reaches the database at."""
    return int(connection.settings_dict["PORT"])
