"""The groups *viewer*, *operator* and *admin*, filled by `migrate`.

Each permission is given to a group once (see Grant): what an administrator takes
away stays away, and a permission that a later release declares reaches the groups
with its migrations. Who belongs to a group also needs the staff flag to sign in.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import connections, transaction

from celeriac.console.actions.models import GroupGrant
from celeriac.core.plugins import ROLES, plugins
from celeriac.jobs.operating.actions import ACTIONS, Action

#: What the group *operator* may do besides to jobs; apps add theirs (core/plugins.py).
_OPERATED = frozenset(
    {
        "celeriac_jobs.pause_queue",
        "celeriac_jobs.route_tasks",
        "celeriac_breakers.force_breaker",
        "celeriac_breakers.clear_breaker",
        "celeriac_schedules.pause_schedule",
        "celeriac_schedules.run_schedule",
        "celeriac_schedules.backfill_schedule",
    }
)
#: Apps whose rows everybody in the admin may see; accounts are the administrators' matter.
_SEEN = frozenset(
    {
        "celeriac_core",
        "celeriac_breakers",
        "celeriac_jobs",
        "celeriac_schedules",
        "celeriac_monitoring",
        "celeriac_console",
        "django_celery_beat",
        "django_celery_results",
    }
)


def operated(actions: Iterable[Action] = ACTIONS.values()) -> frozenset[str]:
    """Return the permissions of the group *operator*, beyond looking."""
    own = _OPERATED.union(action.permission for action in actions)
    return own.union(*(plugin.operated for plugin in plugins()))


def is_wanted_by(group: str, permission: str) -> bool:
    """Return whether a permission, as app.codename, belongs to a group."""
    app, codename = permission.split(".", 1)
    seen = _SEEN.union(*(plugin.viewed for plugin in plugins()))
    if group == "admin":
        return app in seen.union({"auth"}, *(plugin.administered for plugin in plugins()))
    is_look = app in seen and codename.startswith("view_")
    return is_look or (group == "operator" and permission in operated())


def fill_groups(*, using: str = "default") -> None:
    """Make the groups that were never made, and give each what it was never given."""
    known = _permissions(using)
    given = set(GroupGrant.objects.using(using).values_list("group", "permission"))
    with transaction.atomic(using=using):
        for name in ROLES:
            fresh = {
                label: pk
                for label, pk in known.items()
                if is_wanted_by(name, label) and (name, label) not in given
            }
            if fresh:
                _give(name, fresh, is_new=not any(group == name for group, _ in given), using=using)


def after_migrate(*, using: str, **_: Any) -> None:
    """Fill the groups as soon as every permission stands (post_migrate of the last app)."""
    with connections[using].cursor() as cursor:
        tables = set(connections[using].introspection.table_names(cursor))
    needed = (GroupGrant, Group, Permission)
    if {model._meta.db_table for model in needed} <= tables:
        fill_groups(using=using)


def _give(name: str, fresh: dict[str, int], *, is_new: bool, using: str) -> None:
    groups = Group.objects.using(using)
    group = groups.get_or_create(name=name)[0] if is_new else groups.filter(name=name).first()
    if group is None:  # somebody deleted it: it stays deleted
        return
    group.permissions.add(*fresh.values())
    GroupGrant.objects.using(using).bulk_create(
        [GroupGrant(group=name, permission=label) for label in fresh], ignore_conflicts=True
    )


def _permissions(using: str) -> dict[str, int]:
    rows = Permission.objects.using(using).values_list("content_type__app_label", "codename", "pk")
    return {f"{app}.{codename}": pk for app, codename, pk in rows}
