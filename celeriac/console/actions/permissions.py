"""Who may do what in bulk: asked when it is begun, and again before each batch."""

from typing import Any

from celeriac.console.actions.errors import UnknownAction
from celeriac.jobs.operating.actions import ACTIONS, Action


def bulk_action(name: str) -> Action:
    """Return the action of that name, or raise UnknownAction where there is none for many jobs."""
    found = ACTIONS.get(name)
    if found is None or not found.in_bulk:
        names = ", ".join(action.name for action in ACTIONS.values() if action.in_bulk)
        raise UnknownAction(f"There is no action {name!r}; there are {names}.")
    return found


def may_apply(action: Action, actor: Any) -> bool:
    """Return whether the actor may, now.

    A user signs in, is staff, sees jobs, and holds the action's permission. A name is that of
    somebody at the command line, where nobody asks; a service account's, with its colon, is not.
    """
    if isinstance(actor, str):
        return bool(actor) and ":" not in actor
    return bool(
        actor is not None
        and actor.is_active
        and actor.is_staff
        and actor.has_perms(("celeriac_jobs.view_job", action.permission))
    )
