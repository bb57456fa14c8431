"""The task class of adopted tasks: a call writes a row, in the caller's own transaction."""

from functools import lru_cache
from inspect import getattr_static
from typing import Any

from celery.contrib.django.task import DjangoTask
from celery.utils.threads import _LocalStack
from django.apps import apps

from celeriac.celery import installing
from celeriac.celery.adopted import declaring
from celeriac.celery.adopted.canvas.recording import (
    has_stand_ins,
    is_gathering,
    is_part,
    refuse_plain_follower,
)
from celeriac.celery.adopted.choosing import choose_call, is_job_on_commit
from celeriac.celery.adopted.patterns import is_adopted, is_carried
from celeriac.celery.adopted.writing import write_own_call
from celeriac.celery.shadow.task import note_promise


class RequestStack(_LocalStack):  # type: ignore[type-arg]  # not generic at run time
    """The requests of a task that runs, in each thread; a job's knows its row."""

    def push(self, obj: Any) -> Any:
        """Add a request, which a receiver of `task_prerun` may already ask."""
        if getattr(obj, "adopted_run", None) is not None:
            from celeriac.celery.adopted.request import JobContext  # with the models

            obj.__class__ = JobContext
        return super().push(obj)


class AdoptedTask(DjangoTask):  # type: ignore[type-arg]  # not generic at run time
    """Under the host's own base class: calls of tasks that fit CELERIAC["TASKS"] are jobs."""

    abstract = True

    @classmethod
    def bind(cls, app: Any) -> Any:
        """Declare the task's kind once it has its app."""
        bound = super().bind(app)
        if not isinstance(cls.request_stack, RequestStack):
            cls.request_stack = RequestStack()
        if not hasattr(app, "is_of_ledger"):  # Celery's own app class, with ours as its task_cls
            installing.install_ledger(app)
        own = getattr_static(cls, "backend")
        if not isinstance(own, property):  # its declaration's `backend=`
            cls._backend = own
            type.__setattr__(cls, "backend", AdoptedTask.backend)
        if is_adopted(cls.name) and (task := app._tasks.get(cls.name)) is not None:
            declaring.declare_adopted(task)
        return bound

    @property
    def backend(self) -> Any:
        """The task's own backend, or its app's: that of an adopted task knows jobs besides."""
        own: Any = self._backend
        if own is None:
            return self.app.backend
        if not (apps.ready and is_adopted(self.name)):
            return own
        from celeriac.celery.adopted.backend import wrap_backend  # with the models

        return wrap_backend(own)

    @backend.setter
    def backend(self, value: Any) -> None:
        self._backend = value

    def start_strategy(self, app: Any, consumer: Any, **options: Any) -> Any:
        """Return what a worker does with a message of this name."""
        from celeriac.celery.adopted import receiving  # with the models, once a worker starts

        plain = super().start_strategy(app, consumer, **options)
        return receiving.start_strategy(self, app, consumer, plain)

    def is_on_ledger(self, kwargs: Any = None) -> bool:
        """Whether a call becomes a job now."""
        known = is_adopted(self.name) or is_carried(self.name, kwargs) or is_gathering(self.name)
        return known and not self.app.conf.task_always_eager

    def apply_async(
        self,
        args: Any = None,
        kwargs: Any = None,
        task_id: str | None = None,
        producer: Any = None,
        link: Any = None,
        link_error: Any = None,
        shadow: str | None = None,
        **options: Any,
    ) -> Any:
        """Write a job where the task is adopted, and return Celery's own view of it.

        Raises:
            CanvasRefused: the call names what follows it.
            InvalidOption: the ledger can't honour an option.
            InvalidArgs: JSON can't carry the arguments, or they are too large.
        """
        if getattr(self.request, "adopted_run", None) is not None:
            from celeriac.celery.adopted.retrying import take_retry  # with the models

            again = take_retry(self, args, kwargs, task_id, options)
            if again is not None:
                return again
        follows = {"link": link, "link_error": link_error}
        task_id, is_job, options = choose_call(self, kwargs, task_id, follows, options)
        if not is_job:
            refuse_plain_follower(self.name, args, kwargs, options)
            return super().apply_async(
                args, kwargs, task_id, producer, link, link_error, shadow, **options
            )
        _check_call(self, args, kwargs)
        task: Any = self  # its stubs lack what follows
        shadow = shadow or task.shadow_name(args, kwargs, options)
        given = {"ignore_result": self.ignore_result, **task._get_exec_options(), **options}
        dump = getattr(self, "_dump_pydantic_arguments", None)  # not before Celery 5.7
        if dump is not None:
            args, kwargs = dump(args, kwargs)
        given |= {**follows, "shadow": shadow}
        return _write_or_ask(self, args, kwargs, task_id, given)

    def send(self, args: Any, kwargs: Any, task_id: str | None, options: dict[str, Any]) -> Any:
        """Write the job of `send_task`, which looks at no signature and knows no eager mode.

        Whoever calls has chosen its side.
        """
        task: Any = self  # its stubs lack what follows
        given = {"ignore_result": self.ignore_result, **task._get_exec_options(), **options}
        return _write_or_ask(self, args, kwargs, task_id, given)

    def on_replace(self, sig: Any) -> Any:
        """Let what replaces a running job take its place: Celery's replace() ends here."""
        run = getattr(self.request, "adopted_run", None)
        if run is None:
            return super().on_replace(sig)
        from celeriac.celery.adopted.canvas.replacing import replace_run  # with the models

        return replace_run(run, sig)

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]  # as it is
        """Write the job now: it exists if and only if the open transaction commits."""
        self.apply_async_on_commit(args, kwargs)

    def apply_async_on_commit(self, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]  # as it is
        """Write the job now: it exists if and only if the open transaction commits."""
        args, kwargs = _named(args, kwargs)
        if self.is_on_ledger() and is_job_on_commit(self, kwargs):
            self.apply_async(*args, **kwargs)
        else:
            note_promise(self, args, kwargs)
            super().apply_async_on_commit(*args, **kwargs)


def _named(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a call of apply_async with its options by name."""
    options = ("task_id", "producer", "link", "link_error", "shadow")
    return args[:2], {**dict(zip(options, args[2:], strict=False)), **kwargs}


def _write_or_ask(
    task: Any, args: Any, kwargs: Any, task_id: str | None, given: dict[str, Any]
) -> Any:
    if is_part(given):
        from celeriac.celery.adopted.canvas import asking  # with the models

        return asking.ask_own_call(task, args, kwargs, task_id, given)
    return write_own_call(task, args, kwargs, task_id, given)


def _check_call(task: Any, args: Any, kwargs: Any) -> None:
    """Check a call as Celery does: TypeError where the arguments do not fit the signature."""
    if task.soft_time_limit and task.time_limit and task.soft_time_limit > task.time_limit:
        raise ValueError("soft_time_limit must be less than or equal to time_limit")
    check = getattr(task, "__header__", None)
    if task.typing and check is not None and not has_stand_ins(args, kwargs):
        check(*(args or ()), **(kwargs or {}))


@lru_cache(maxsize=1024)
def adopting(base: Any) -> Any:
    """Return a task class with AdoptedTask under it, so that what it overrides stays its own."""
    if issubclass(base, AdoptedTask):
        return base
    if issubclass(AdoptedTask, base):
        return AdoptedTask
    names = {"abstract": True, "__module__": base.__module__, "__doc__": base.__doc__}
    return type(base.__name__, (base, AdoptedTask), names)


#: What an app of Celery's own class may name as its `task_cls`.
Task = AdoptedTask
