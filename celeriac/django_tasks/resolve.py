"""From an import path to a task, and to nothing else.

The path comes from a job's arguments. So only modules of installed apps, and those that
CELERIAC['MODULES'] names, are imported for it, and only an object of Django's Task class that
bears this very path is returned: never any other function.
"""

from django.apps import apps
from django.utils.module_loading import import_string

from celeriac.django_tasks.origin import InvalidTask, Task
from celeriac.django_tasks.types import AnyTask
from celeriac.settings import conf


def resolve_task(path: str) -> AnyTask:
    """Return the task of that path; InvalidTask says why there is none."""
    module, _, name = path.rpartition(".")
    if not name.isidentifier() or not _is_ours(module):
        raise InvalidTask(
            f"{path!r} lies in no installed app, so no worker would find it: name its module "
            "in CELERIAC['MODULES']."
        )
    try:
        found = import_string(path)
    except Exception as error:  # the module's own: it may suit no process but its own
        raise InvalidTask(f"There is no task {path!r}: {error}.") from error
    if not isinstance(found, Task) or found.module_path != path:
        raise InvalidTask(
            f"{path!r} is no task: decorate the function where it stands, so that its own name "
            "holds the task."
        )
    return found


def _is_ours(module: str) -> bool:
    if module in conf.MODULES:
        return True
    return any(f"{module}.".startswith(f"{config.name}.") for config in apps.get_app_configs())
