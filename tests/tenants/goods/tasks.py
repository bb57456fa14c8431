"""Kinds and tasks that write a book into whatever schema they run in, and say where they were."""

import asyncio
import threading

from asgiref.sync import sync_to_async
from celery import shared_task
from django.db import connection, transaction
from django_tenants.utils import schema_context

from celeriac import Backoff, enqueue, job
from tests.tenants.goods.models import Book

_ONCE = Backoff(max_attempts=1)
#: Of handlers that are to be inside at the same moment.
_together = threading.Barrier(2)


def write(title):
    """Write a book; return the schema, as the connection and as the session has it."""
    Book.objects.create(title=title)
    return [*look(), type(connection.tenant).__name__]


@job("goods.plain", retry=_ONCE)
def plain(title: str) -> list[str]:
    """Write a book."""
    return write(title)


def look():
    """Return the schema, as the connection and as the session has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        return [connection.schema_name, cursor.fetchone()[0]]


@job("goods.where")
def where() -> list[str]:
    """Look around."""
    return look()


@job("goods.awhere", queue="async")
async def awhere() -> list[str]:
    """Look around, from a coroutine."""
    return await sync_to_async(look)()


@job("goods.threads", queue="threads", retry=_ONCE)
def threads(title: str) -> list[str]:
    """Write a book while another tenant's job does."""
    _together.wait(30)
    found = write(title)
    _together.wait(30)
    return [*found, connection.schema_name]


@job("goods.async", queue="async", retry=_ONCE)
async def coroutine(title: str) -> list[str]:
    """Write a book, and see whose books there are once others had the loop."""
    await Book.objects.acreate(title=title)
    await asyncio.sleep(0.3)
    return [book.title async for book in Book.objects.order_by("pk")]


@job("goods.joint", transactional=True, retry=_ONCE)
def joint(title: str) -> list[str]:
    """Write a book with the job's own end; what comes after the commit is the tenant's, too."""
    transaction.on_commit(lambda: enqueue("goods.plain", {"title": f"after {title}"}))
    return write(title)


@job("goods.fails", retry=_ONCE)
def fails(title: str) -> None:
    """Leave the schema as a handler should not, and fail."""
    write(title)
    connection.set_schema("elsewhere")
    raise ValueError(title)


@job("goods.unique", unique="goods:{number}")
def unique(number: int) -> list[str]:
    """Write a book of a number."""
    return write(f"number {number}")


@job("goods.child")
def child(title: str) -> None:
    """Enqueue for this tenant, and for each other."""
    enqueue("goods.plain", {"title": f"child of {title}"})
    with schema_context("two"):
        enqueue("goods.plain", {"title": f"gift of {title}"})


@shared_task(name="goods.adopted")
def adopted(title):
    """Write a book, by a task of Celery's."""
    return write(title)


@shared_task(name="goods.adopted_fails", bind=True, max_retries=1, default_retry_delay=0)
def adopted_fails(self, title):
    """Write a book, and fail twice."""
    write(title)
    raise self.retry(exc=ValueError(title))
