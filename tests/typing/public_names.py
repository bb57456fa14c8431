"""What type checkers make of the door.

Each line that ends in `# refused` is an error to them: where it is none, the comment that lets
it pass is one too many, and they say so. `make lint` has mypy read this, a test has pyright.
"""

from collections.abc import Coroutine
from typing import Any, assert_type

from celeriac import JobHandle, enqueue, job
from celeriac.celery import AsyncResult


@job("typing.add", aliases=("typing.plus",))
def add(a: int, b: int = 0) -> int:
    """Return the sum."""
    return a + b


@job
def plain(name: str) -> dict[str, str]:
    """Be declared without options."""
    return {"name": name}


@job("typing.bound", bind=True)
def bound(self: Any, order: int) -> str:
    """Know its task."""
    return str(order)


@job("typing.fetch")
async def fetch(url: str) -> bytes:
    """Be a coroutine."""
    return url.encode()


@job("typing.alone", bind=True)
async def bound_fetch(self: Any, url: str) -> int:
    """Be a coroutine that knows its task."""
    return len(url)


def results_are_inferred() -> None:
    """`get()` gives what the handler returns."""
    assert_type(add.enqueue(1, b=2), JobHandle[int])
    assert_type(add.enqueue(1).get(timeout=5), int)
    assert_type(add.delay(1, 2), AsyncResult[int])
    assert_type(add.delay(1).get(), int)
    assert_type(add.apply_async((1,)).get(), int)
    assert_type(plain.enqueue(name="x").get(), dict[str, str])
    assert_type(bound.enqueue(order=1).get(), str)
    assert_type(bound.delay(1).get(), str)
    assert_type(fetch.enqueue("x").get(), bytes)
    assert_type(fetch.delay("x").get(), bytes)
    assert_type(bound_fetch.delay("x").get(), int)
    assert_type(add(1, 2), int)
    coroutine: Coroutine[Any, Any, bytes] = fetch("x")
    coroutine.close()


async def results_are_inferred_in_async_code() -> None:
    """`aget()` too."""
    assert_type(await (await add.aenqueue(1)).aget(), int)
    assert_type(await fetch("x"), bytes)


def wrong_arguments_are_refused() -> None:
    """By type, by name, by number."""
    add.delay("1")  # type: ignore[arg-type]  # refused
    add.delay(1, c=2)  # type: ignore[call-arg]  # refused
    add.delay()  # type: ignore[call-arg]  # refused
    add.enqueue("1")  # type: ignore[arg-type]  # refused
    add.enqueue(1, c=2)  # type: ignore[call-arg]  # refused
    add.enqueue(1, 2, 3)  # type: ignore[call-arg]  # refused
    add("1")  # type: ignore[arg-type]  # refused
    plain.delay(1)  # type: ignore[arg-type]  # refused
    plain.enqueue(title="x")  # type: ignore[call-arg]  # refused
    bound.delay("1")  # type: ignore[arg-type]  # refused
    bound.delay(None, 1)  # type: ignore[call-arg, arg-type]  # refused
    bound.enqueue(order="1")  # type: ignore[arg-type]  # refused
    fetch.delay(1)  # type: ignore[arg-type]  # refused
    fetch.enqueue()  # type: ignore[call-arg]  # refused
    bound_fetch.enqueue(1)  # type: ignore[arg-type]  # refused
    enqueue("typing.add", 1)  # type: ignore[arg-type]  # refused
    enqueue("typing.add", {"a": 1}, colour="red")  # type: ignore[call-arg]  # refused
    job("typing.other", bind=1)  # type: ignore[call-overload]  # refused
