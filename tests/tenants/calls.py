"""Makes two tenants, and enqueues for both of them and for nobody."""

import django

django.setup()

from django.core.management import call_command  # noqa: E402 what follows needs the apps
from django.db import connection, transaction  # noqa: E402
from django_tenants.utils import schema_context  # noqa: E402

from celeriac import enqueue  # noqa: E402
from celeriac.jobs.models import Job  # noqa: E402
from tests.tenants.goods.tasks import adopted, adopted_fails  # noqa: E402
from tests.tenants.models import Shop  # noqa: E402

KINDS = ("plain", "threads", "async", "joint", "fails", "child")


def call(name):
    """Enqueue one of each, as this tenant."""
    for kind in KINDS:
        enqueue(f"goods.{kind}", {"title": f"{kind} of {name}"})
    adopted.delay(f"adopted of {name}")
    adopted_fails.delay(f"adopted_fails of {name}")


def main():
    """Make the tenants, and enqueue."""
    call_command("migrate_schemas", shared=True, verbosity=0)
    call_command("check")
    for name in ("one", "two", "gone"):
        Shop.objects.create(schema_name=name, title=name)
    for name in ("one", "two"):
        with schema_context(name):
            call(name)
    same = []
    with transaction.atomic():  # neither may run meanwhile
        for name in ("one", "two", "one"):
            with schema_context(name):
                same.append(enqueue("goods.unique", {"number": 1}))
    assert [handle.absorbed for handle in same] == [False, False, True]
    with schema_context("gone"):
        enqueue("goods.plain", {"title": "of nobody"})
        enqueue("goods.async", {"title": "of nobody"})
    Shop.objects.get(schema_name="gone").delete(force_drop=True)
    assert connection.schema_name == "public"
    enqueue("goods.plain", {"title": "by name"}, tenant="two")
    for kind, queue in (("where", "default"), ("where", "threads"), ("awhere", "async")):
        # Last of all, where all the others have been.
        enqueue(f"goods.{kind}", {}, queue=queue, priority=-100, delay=2)
    print(Job.objects.count(), "jobs")


if __name__ == "__main__":
    main()
