"""Enqueueing by kind, with its types. Written by `manage.py celeriac stubs`."""

# fmt: off
# ruff: noqa

import celeriac
from collections.abc import Iterable
from typing import Literal, NotRequired, Protocol, TypedDict, Unpack, overload
from celeriac.jobs.enqueueing.draft import EnqueueOptions
from celeriac.jobs.enqueueing.enqueue import BatchOptions
from celeriac.jobs.handle import JobHandle


class TestsTypingPublicNamesPlain(TypedDict):
    """The arguments of tests.typing.public_names.plain."""

    name: str


class TypingAdd(TypedDict):
    """The arguments of typing.add."""

    a: int
    b: NotRequired[int]


class TypingAlone(TypedDict):
    """The arguments of typing.alone."""

    url: str


class TypingBound(TypedDict):
    """The arguments of typing.bound."""

    order: int


class TypingFetch(TypedDict):
    """The arguments of typing.fetch."""

    url: str


class _Enqueue(Protocol):
    @overload
    def __call__(
        self, kind: Literal['tests.typing.public_names.plain'], args: TestsTypingPublicNamesPlain,
        *, detached: bool = False,
        survives_rollback: bool = False, **options: Unpack[EnqueueOptions],
    ) -> JobHandle[dict[str, str]]: ...
    @overload
    def __call__(
        self, kind: Literal['typing.add', 'typing.plus'], args: TypingAdd,
        *, detached: bool = False,
        survives_rollback: bool = False, **options: Unpack[EnqueueOptions],
    ) -> JobHandle[int]: ...
    @overload
    def __call__(
        self, kind: Literal['typing.alone'], args: TypingAlone,
        *, detached: bool = False,
        survives_rollback: bool = False, **options: Unpack[EnqueueOptions],
    ) -> JobHandle[int]: ...
    @overload
    def __call__(
        self, kind: Literal['typing.bound'], args: TypingBound,
        *, detached: bool = False,
        survives_rollback: bool = False, **options: Unpack[EnqueueOptions],
    ) -> JobHandle[str]: ...
    @overload
    def __call__(
        self, kind: Literal['typing.fetch'], args: TypingFetch,
        *, detached: bool = False,
        survives_rollback: bool = False, **options: Unpack[EnqueueOptions],
    ) -> JobHandle[bytes]: ...


class _Aenqueue(Protocol):
    @overload
    async def __call__(
        self, kind: Literal['tests.typing.public_names.plain'], args: TestsTypingPublicNamesPlain,
        *, detached: bool = False,
        survives_rollback: bool = False, **options: Unpack[EnqueueOptions],
    ) -> JobHandle[dict[str, str]]: ...
    @overload
    async def __call__(
        self, kind: Literal['typing.add', 'typing.plus'], args: TypingAdd,
        *, detached: bool = False,
        survives_rollback: bool = False, **options: Unpack[EnqueueOptions],
    ) -> JobHandle[int]: ...
    @overload
    async def __call__(
        self, kind: Literal['typing.alone'], args: TypingAlone,
        *, detached: bool = False,
        survives_rollback: bool = False, **options: Unpack[EnqueueOptions],
    ) -> JobHandle[int]: ...
    @overload
    async def __call__(
        self, kind: Literal['typing.bound'], args: TypingBound,
        *, detached: bool = False,
        survives_rollback: bool = False, **options: Unpack[EnqueueOptions],
    ) -> JobHandle[str]: ...
    @overload
    async def __call__(
        self, kind: Literal['typing.fetch'], args: TypingFetch,
        *, detached: bool = False,
        survives_rollback: bool = False, **options: Unpack[EnqueueOptions],
    ) -> JobHandle[bytes]: ...


class _EnqueueMany(Protocol):
    @overload
    def __call__(
        self, kind: Literal['tests.typing.public_names.plain'], list_of_args: Iterable[TestsTypingPublicNamesPlain],
        *, detached: bool = False,
        **options: Unpack[BatchOptions],
    ) -> list[JobHandle[dict[str, str]]]: ...
    @overload
    def __call__(
        self, kind: Literal['typing.add', 'typing.plus'], list_of_args: Iterable[TypingAdd],
        *, detached: bool = False,
        **options: Unpack[BatchOptions],
    ) -> list[JobHandle[int]]: ...
    @overload
    def __call__(
        self, kind: Literal['typing.alone'], list_of_args: Iterable[TypingAlone],
        *, detached: bool = False,
        **options: Unpack[BatchOptions],
    ) -> list[JobHandle[int]]: ...
    @overload
    def __call__(
        self, kind: Literal['typing.bound'], list_of_args: Iterable[TypingBound],
        *, detached: bool = False,
        **options: Unpack[BatchOptions],
    ) -> list[JobHandle[str]]: ...
    @overload
    def __call__(
        self, kind: Literal['typing.fetch'], list_of_args: Iterable[TypingFetch],
        *, detached: bool = False,
        **options: Unpack[BatchOptions],
    ) -> list[JobHandle[bytes]]: ...


class _AenqueueMany(Protocol):
    @overload
    async def __call__(
        self, kind: Literal['tests.typing.public_names.plain'], list_of_args: Iterable[TestsTypingPublicNamesPlain],
        *, detached: bool = False,
        **options: Unpack[BatchOptions],
    ) -> list[JobHandle[dict[str, str]]]: ...
    @overload
    async def __call__(
        self, kind: Literal['typing.add', 'typing.plus'], list_of_args: Iterable[TypingAdd],
        *, detached: bool = False,
        **options: Unpack[BatchOptions],
    ) -> list[JobHandle[int]]: ...
    @overload
    async def __call__(
        self, kind: Literal['typing.alone'], list_of_args: Iterable[TypingAlone],
        *, detached: bool = False,
        **options: Unpack[BatchOptions],
    ) -> list[JobHandle[int]]: ...
    @overload
    async def __call__(
        self, kind: Literal['typing.bound'], list_of_args: Iterable[TypingBound],
        *, detached: bool = False,
        **options: Unpack[BatchOptions],
    ) -> list[JobHandle[str]]: ...
    @overload
    async def __call__(
        self, kind: Literal['typing.fetch'], list_of_args: Iterable[TypingFetch],
        *, detached: bool = False,
        **options: Unpack[BatchOptions],
    ) -> list[JobHandle[bytes]]: ...


enqueue: _Enqueue = celeriac.enqueue
aenqueue: _Aenqueue = celeriac.aenqueue
enqueue_many: _EnqueueMany = celeriac.enqueue_many
aenqueue_many: _AenqueueMany = celeriac.aenqueue_many
