"""The task class of plain tasks with a shadow: what is promised for after a commit is noted."""

from functools import lru_cache
from typing import Any

from celery.contrib.django.task import DjangoTask

from celeriac.celery.adopted.patterns import is_named_in_shadow


class ShadowTask(DjangoTask):  # type: ignore[type-arg]  # not generic at run time
    """Under the host's own base class, and Celery's in all else."""

    abstract = True

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]  # as it is
        """Call it after the commit, as Celery does."""
        self.apply_async_on_commit(args, kwargs)

    def apply_async_on_commit(self, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]  # as it is
        """Call it after the commit, as Celery does; the promise is noted now."""
        note_promise(self, args, kwargs)
        super().apply_async_on_commit(*args, **kwargs)


def note_promise(task: Any, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Note a call that waits for a commit, unless its id is given by its place."""
    if is_named_in_shadow(task.name) and len(args) < 3:
        from celeriac.celery.shadow import noting  # with the models

        noting.note_promise(task, options)


@lru_cache(maxsize=1024)
def shadowing(base: Any) -> Any:
    """Return a task class with ShadowTask under it."""
    if issubclass(base, ShadowTask):
        return base
    if issubclass(ShadowTask, base):
        return ShadowTask
    names = {"abstract": True, "__module__": base.__module__, "__doc__": base.__doc__}
    return type(base.__name__, (base, ShadowTask), names)
