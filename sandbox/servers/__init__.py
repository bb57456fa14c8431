"""Real PostgreSQL and Valkey servers from PyPI wheels, for laptops, tests, bench and demo."""

from sandbox.servers.postgres import PostgresServer
from sandbox.servers.valkey import ValkeyServer

__all__ = ["PostgresServer", "ValkeyServer"]
