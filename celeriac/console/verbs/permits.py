"""Who may apply a verb: asked when it is begun, and again before each batch."""

from typing import Any

from celeriac.console.verbs.catalogue import BulkAction


def may_apply(action: BulkAction, actor: Any) -> bool:  # noqa: ANN401 a user, or nobody
    """Return whether the user may, now: signs in, is staff, sees jobs, and holds the verb."""
    return bool(
        actor is not None
        and actor.is_active
        and actor.is_staff
        and actor.has_perms(("celeriac_jobs.view_job", action.permission))
    )
