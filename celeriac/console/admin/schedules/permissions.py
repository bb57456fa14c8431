"""Who may do what to schedules: each verb has a permission of its own."""

from typing import Any

from django.http import HttpRequest


class Permitted:
    """The permissions that the verbs' decorators name."""

    def has_pause_permission(self, request: HttpRequest, object_id: Any = None) -> bool:  # noqa: ANN401 unfold's
        """Whether the user may pause and resume schedules."""
        return request.user.has_perm("celeriac_schedules.pause_schedule")

    def has_run_permission(self, request: HttpRequest, object_id: Any = None) -> bool:  # noqa: ANN401 unfold's
        """Whether the user may run a schedule's job now."""
        return request.user.has_perm("celeriac_schedules.run_schedule")

    def has_backfill_permission(self, request: HttpRequest, object_id: Any = None) -> bool:  # noqa: ANN401 unfold's
        """Whether the user may run past ticks."""
        return request.user.has_perm("celeriac_schedules.backfill_schedule")
