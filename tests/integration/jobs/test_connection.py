"""The connection to PostgreSQL, as every process of the platform opens it."""

import runpy
import socket

import pytest
from django.db import connection

from tests.support.servers import ROOT

GIVEN_UP_AFTER = 30_000  # milliseconds


@pytest.mark.django_db
@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux only")
def test_a_server_that_went_without_a_word_is_given_up_soon():
    """The socket itself is asked: a quarter of an hour of silence would outlast every lease."""
    connection.ensure_connection()
    with socket.socket(fileno=socket.dup(connection.connection.fileno())) as line:
        if line.family == socket.AF_UNIX:
            pytest.skip("no network between the two")
        assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == GIVEN_UP_AFTER
        assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        every = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
        tries = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
        assert (idle + every * tries) * 1000 <= GIVEN_UP_AFTER


def test_the_url_says_how_long_to_wait_where_it_says_anything(monkeypatch):
    """For a server at the other end of the world, or a proxy that counts keepalives."""
    url = "postgres://u:p@h/db?connect_timeout=20&tcp_user_timeout=0&sslmode=require"
    monkeypatch.setenv("DATABASE_URL", url)
    parts = runpy.run_path(str(ROOT / "config" / "settings" / "parts" / "database.py"))
    options = parts["DATABASES"]["default"]["OPTIONS"]
    assert (options["connect_timeout"], options["tcp_user_timeout"]) == (20, 0)
    assert (options["sslmode"], options["keepalives_idle"]) == ("require", 10)
