"""django-tenants: the ledger is in the shared schema, and a handler works in its tenant's."""

import psycopg
import pytest
from psycopg import sql

from tests.support.processes import wait_until

WORKERS = (("default,callbacks,maintenance", 2), ("threads", 1), ("async", 1))
JOBS = "SELECT kind, tenant, state, result, error FROM celeriac_jobs_job ORDER BY id"


@pytest.fixture
def tenants(processes, database_url, run_directory):
    """Make the project's database; return a connection to it, and what starts its processes."""
    place = database_url.rpartition("/")[0]
    with psycopg.connect(database_url, autocommit=True) as server:
        server.execute("DROP DATABASE IF EXISTS tenants WITH (FORCE)")
        server.execute("CREATE DATABASE tenants")
        env = {
            "DJANGO_SETTINGS_MODULE": "tests.tenants.settings",
            "HOST_DATABASE": f"{place}/tenants",
            "HOST_SLOTS": str(run_directory / "tenants-slots"),
        }

        def start(name, *command, **more):
            return processes.python(name, *command, env=env | more)

        with psycopg.connect(f"{place}/tenants", autocommit=True) as database:
            yield database, start
            processes.stop_all()
        server.execute("DROP DATABASE tenants WITH (FORCE)")


def books(database, schema):
    """Return the titles of a tenant's books."""
    query = sql.SQL("SELECT title FROM {}").format(sql.Identifier(schema, "goods_book"))
    rows = database.execute(query).fetchall()
    return sorted(title for (title,) in rows)


def expected(name):
    """Return the titles that a tenant is to have."""
    titles = ["plain", "threads", "async", "joint", "after joint", "fails", "adopted"]
    titles += ["child of child", *["adopted_fails"] * 2]
    return [*(f"{title} of {name}" for title in titles), "number 1"]


def test_each_handler_works_in_the_schema_of_its_tenant(tenants):
    """One by one, in threads and on a loop, adopted or not; and leaves it, also where it fails."""
    database, start = tenants
    calls = start("calls", "-m", "tests.tenants.calls")
    assert calls.wait(120) == 0, calls.output
    for queues, children in WORKERS:
        worker = ["-m", "celery", "-A", "tests.tenants", "worker", "-Q", queues, "-c", children]
        worker += ["--without-gossip", "--without-mingle", "-n", f"{children}{queues[:5]}@test"]
        start("worker", *worker, *(["--with-dispatcher"] if children == 2 else []))
    wait_until(lambda: all_ended(database), timeout=60)
    gifts = [f"gift of child of {name}" for name in ("one", "two")]
    assert books(database, "one") == sorted(expected("one"))
    assert books(database, "two") == sorted([*expected("two"), *gifts, "by name"])
    judge(database.execute(JOBS).fetchall())


def judge(jobs):
    """Look at how each job ended, and where it says that it was."""
    found = {}
    for kind, tenant, state, result, error in jobs:
        found.setdefault((kind, tenant), []).append((state, result, error))
    for name in ("one", "two"):
        shop = [name, name, "Shop"]
        for kind in ("goods.plain", "goods.joint", "goods.unique", "goods.adopted"):
            assert {state for state, *_ in found[kind, name]} == {"succeeded"}
            assert [result for _, result, _ in found[kind, name]] == [shop] * len(found[kind, name])
        assert found["goods.threads", name] == [("succeeded", [*shop, name], "")]
        assert [state for state, *_ in found["goods.fails", name]] == ["dead"]
        assert [state for state, *_ in found["goods.adopted_fails", name]] == ["dead"]
        ((state, titles, _),) = found["goods.async", name]
        assert (state, f"async of {name}" in titles) == ("succeeded", True)
        assert [title for title in titles if not title.endswith((name, " 1", "by name"))] in (
            [],
            ["gift of child of one"],
        )
    assert found["goods.where", ""] == [("succeeded", ["public", "public"], "")] * 2
    assert found["goods.awhere", ""] == [("succeeded", ["public", "public"], "")]
    for kind in ("goods.plain", "goods.async"):
        assert [state for state, *_ in found[kind, "gone"]] == ["dead"]
        assert "There is no tenant 'gone': it was removed" in found[kind, "gone"][0][2]


def all_ended(database):
    """Whether every job has ended."""
    query = "SELECT count(*) FROM celeriac_jobs_job WHERE state IN ('queued', 'running')"
    return database.execute(query).fetchone() == (0,)
