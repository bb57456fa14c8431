"""Jobs over HTTP."""

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any, cast
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponseBase
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.http import urlencode
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from celeriac.http import selectors, shapes
from celeriac.http.bodies import BulkCall, JobCall, JobQuery, NoQuery, VerbCall
from celeriac.http.problems import Forbidden
from celeriac.http.schema import (
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    JOB_QUERY,
    REPLAYED,
    documented_answers,
)
from celeriac.http.submit import submit_calls
from celeriac.http.throttling import take_jobs
from celeriac.http.views.base import ApiView
from celeriac.jobs.operating.actions import Action
from celeriac.jobs.operating.operate import act_on_job
from celeriac.settings import conf

_FRESH = "private, no-cache"
#: What a call that writes a job may answer besides.
_WRITTEN = (200, 400, 401, 403, 409, 411, 413, 415, 422)


class JobsView(ApiView):
    """An account's jobs: list them, add one."""

    @extend_schema(
        operation_id="jobs_list",
        summary="List your jobs",
        parameters=JOB_QUERY,
        responses=documented_answers(shapes.JobPage, 200, 401, 403, 422),
        tags=["jobs"],
    )
    def get(self, request: Request) -> Response:
        """Return the jobs that this account enqueued, newest first."""
        account, query = self.account(request), self.query(request, JobQuery)
        if not any("read" in grant.verbs for grant in account.grants.all()):
            raise Forbidden(f"No grant of {account.name} covers it: read.")
        rows, more = selectors.page_of(account, query)
        following = None
        if more is not None:
            values = {**request.query_params.dict(), "cursor": str(more)}
            following = f"{reverse('api:jobs')}?{urlencode(values)}"
        return Response({"next": following, "results": [shapes.job_summary(row) for row in rows]})

    @extend_schema(
        operation_id="jobs_create",
        summary="Enqueue a job",
        parameters=[IDEMPOTENCY_KEY, *REPLAYED],
        request={"application/json": JobCall},
        responses=documented_answers(shapes.JobDetails, 201, *_WRITTEN),
        tags=["jobs"],
    )
    def post(self, request: Request) -> Response:
        """Write one job. 200 for the same key and body again, or where a unique key waits."""
        call = self.body(request, JobCall)
        take_jobs(self.account(request), 1)
        [job] = submit_calls(
            account=self.account(request),
            calls=[call],
            key=request.headers.get("Idempotency-Key"),
            body=request.data,
        )
        old = job.replayed or job.absorbed
        content = shapes.job_details(job, selectors.attempts_of(job) if old else ())
        headers = {"Location": reverse("api:job", args=[job.id])} | _replayed(job.replayed)
        return Response(content, status=200 if old else 201, headers=headers)


class BulkView(ApiView):
    """Many jobs in one transaction."""

    max_body = conf.API_MAX_BULK_BYTES

    @extend_schema(
        operation_id="jobs_bulk_create",
        summary="Enqueue up to 10,000 jobs, all or none",
        parameters=[IDEMPOTENCY_KEY, *REPLAYED],
        request={"application/json": BulkCall},
        responses=documented_answers(shapes.BulkDetails, 201, *_WRITTEN),
        tags=["jobs"],
    )
    def post(self, request: Request) -> Response:
        """Write all of the jobs or none; errors name the item: `jobs.7777.args.amount`."""
        call = self.body(request, BulkCall)
        take_jobs(self.account(request), len(call.jobs))
        made = submit_calls(
            account=self.account(request),
            calls=call.jobs,
            key=request.headers.get("Idempotency-Key"),
            body=request.data,
            path="jobs",
        )
        old = all(job.replayed for job in made)
        content = {
            "count": len(made),
            "jobs": [shapes.picked(job, shapes.JobReference) for job in made],
        }
        return Response(content, status=200 if old else 201, headers=_replayed(old))


class JobView(ApiView):
    """One job."""

    @extend_schema(
        operation_id="jobs_retrieve",
        summary="Get a job",
        parameters=[IF_NONE_MATCH],
        responses=documented_answers(shapes.JobDetails, 200, 304, 401, 403, 404, 412, 422),
        tags=["jobs"],
    )
    def get(self, request: Request, job_id: UUID) -> HttpResponseBase:
        """Return the job with its attempts, progress and result; 304 while it has not changed."""
        self.query(request, NoQuery)
        job = selectors.job_of(self.account(request), job_id, "read")
        headers = {"ETag": _etag(shapes.job_details(job)), "Cache-Control": _FRESH}
        unchanged = get_conditional_response(request._request, etag=headers["ETag"])
        if unchanged is not None:
            for name, value in headers.items():
                unchanged[name] = value
            return unchanged
        return Response(shapes.job_details(job, selectors.attempts_of(job)), headers=headers)


class ActionView(ApiView):
    """What is done to one job, by an operating service that leaves an audit row."""

    action: Action

    def post(self, request: Request, job_id: UUID) -> Response:
        """Do it and return the job."""
        account, call = self.account(request), self.body(request, VerbCall)
        selectors.job_of(account, job_id, self.action.name)
        job = act_on_job(self.action, job_id, actor=account.origin, reason=call.reason)
        return Response(shapes.job_details(job, selectors.attempts_of(job)))


def action_view(action: Action) -> Callable[..., HttpResponseBase]:
    """Return the view that does it."""
    post = extend_schema(
        operation_id=f"jobs_{action.name}",
        summary=f"{action.label} a job",
        description=action.description or f"{action.title}.",
        request={"application/json": VerbCall},
        responses=documented_answers(
            shapes.JobDetails, 200, 400, 401, 403, 404, 409, 411, 413, 415, 422
        ),
        tags=["jobs"],
    )
    view = type(f"{action.name.title()}View", (ActionView,), {"action": action})
    return cast(type[ActionView], extend_schema_view(post=post)(view)).as_view()


def _etag(content: dict[str, Any]) -> str:
    text = json.dumps(content, cls=DjangoJSONEncoder, sort_keys=True)
    return f'W/"{sha256(text.encode()).hexdigest()[:32]}"'


def _replayed(replayed: bool) -> dict[str, str]:
    return {"Idempotent-Replayed": "true"} if replayed else {}
