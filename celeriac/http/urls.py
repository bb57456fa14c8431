"""Addresses of the HTTP API."""

from collections.abc import Iterable

from django.urls import URLPattern, path, re_path

from celeriac.http.views import catalog, jobs, pages, token
from celeriac.jobs.operating.actions import ACTIONS, Action

app_name = "api"


def action_paths(actions: Iterable[Action]) -> list[URLPattern]:
    """Return where each action that is offered to programs is called for."""
    return [
        path(f"v1/jobs/<uuid:job_id>/{action.name}/", jobs.action_view(action), name=action.name)
        for action in actions
        if action.over_http
    ]


urlpatterns = [
    path("schema/", pages.SchemaView.as_view(), name="schema"),
    path("docs/", pages.DocsView.as_view(), name="docs"),
    path("v1/token/", token.TokenView.as_view(), name="token"),
    path("v1/jobs/", jobs.JobsView.as_view(), name="jobs"),
    path("v1/jobs/bulk/", jobs.BulkView.as_view(), name="bulk"),
    path("v1/jobs/<uuid:job_id>/", jobs.JobView.as_view(), name="job"),
    *action_paths(ACTIONS.values()),
    path("v1/kinds/", catalog.KindsView.as_view(), name="kinds"),
    path("v1/queues/", catalog.QueuesView.as_view(), name="queues"),
    path("v1/breakers/", catalog.BreakersView.as_view(), name="breakers"),
    path("v1/schedules/", catalog.SchedulesView.as_view(), name="schedules"),
    re_path(r"^(?P<path>.*)$", pages.nowhere, name="nowhere"),
]
