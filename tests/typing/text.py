"""What type checkers make of kinds given as text, through what `manage.py celeriac stubs` wrote."""

from typing import assert_type

from celeriac import JobHandle
from tests.typing.kinds import aenqueue, enqueue, enqueue_many


def results_are_inferred() -> None:
    """By the kind's name, and by its alias."""
    assert_type(enqueue("typing.add", {"a": 1}), JobHandle[int])
    assert_type(enqueue("typing.add", {"a": 1, "b": 2}, queue="default", delay=5).get(), int)
    assert_type(enqueue("typing.plus", {"a": 1}).get(), int)
    assert_type(enqueue("typing.bound", {"order": 1}).get(), str)
    assert_type(enqueue_many("typing.bound", [{"order": 1}]), list[JobHandle[str]])


async def results_are_inferred_in_async_code() -> None:
    """What a coroutine returns, from a coroutine."""
    assert_type(await (await aenqueue("typing.fetch", {"url": "x"})).aget(), bytes)


def wrong_arguments_are_refused() -> None:
    """By type, by name, by kind, by option."""
    enqueue("typing.add", {"a": "1"})  # type: ignore[call-overload]  # refused
    enqueue("typing.add", {})  # type: ignore[call-overload]  # refused
    enqueue("typing.add", {"a": 1, "c": 2})  # type: ignore[call-overload]  # refused
    enqueue("typing.ad", {"a": 1})  # type: ignore[call-overload]  # refused
    enqueue("typing.bound", {"self": 1, "order": 1})  # type: ignore[call-overload]  # refused
    enqueue("typing.add", {"a": 1}, colour="red")  # type: ignore[call-overload]  # refused
    enqueue_many("typing.add", [{"a": "1"}])  # type: ignore[call-overload]  # refused
