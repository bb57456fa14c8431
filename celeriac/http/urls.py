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
    *(path(f"v1/{name}/", catalog.catalog_view(name), name=name) for name in catalog.LISTS),
    re_path(r"^(?P<path>.*)$", pages.nowhere, name="nowhere"),
]
