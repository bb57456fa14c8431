"""Kinds, queues, breakers and schedules over HTTP: as much of them as the account's grants name."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from celeriac.http import standing
from celeriac.http.bodies import NoQuery
from celeriac.http.models import ServiceAccount
from celeriac.http.schema import answers
from celeriac.http.views.base import ApiView

_ERRORS = (401, 422)


class StandingView(ApiView):
    """A short list."""

    def found(
        self, request: Request, find: Callable[[ServiceAccount], list[dict[str, Any]]]
    ) -> Response:
        """Return what `find` finds for the account."""
        self.query(request, NoQuery)
        return Response({"results": find(self.account(request))})


class KindsView(StandingView):
    """What may be enqueued."""

    @extend_schema(
        operation_id="kinds_list",
        summary="List the kinds that you were granted",
        responses=answers(standing.Kinds, 200, *_ERRORS),
        tags=["platform"],
    )
    def get(self, request: Request) -> Response:
        """Return kinds with the JSON Schema of their arguments."""
        return self.found(request, standing.kinds_of)


class QueuesView(StandingView):
    """What waits where."""

    @extend_schema(
        operation_id="queues_list",
        summary="List the queues that you were granted",
        responses=answers(standing.Queues, 200, *_ERRORS),
        tags=["platform"],
    )
    def get(self, request: Request) -> Response:
        """Return each queue's depth, the age of its oldest due job, and its pause."""
        return self.found(request, standing.queues_of)


class BreakersView(StandingView):
    """Which circuits hold."""

    @extend_schema(
        operation_id="breakers_list",
        summary="List the circuits that guard your kinds",
        responses=answers(standing.Breakers, 200, *_ERRORS),
        tags=["platform"],
    )
    def get(self, request: Request) -> Response:
        """Return each circuit's state."""
        return self.found(request, standing.breakers_of)


class SchedulesView(StandingView):
    """What fires when."""

    @extend_schema(
        operation_id="schedules_list",
        summary="List the schedules of your kinds",
        responses=answers(standing.Schedules, 200, *_ERRORS),
        tags=["platform"],
    )
    def get(self, request: Request) -> Response:
        """Return each schedule's next fire time."""
        return self.found(request, standing.schedules_of)
