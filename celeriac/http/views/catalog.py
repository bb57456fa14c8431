"""Kinds, queues, breakers and schedules over HTTP: as much of them as the account's grants name."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from celeriac.http import catalog
from celeriac.http.bodies import NoQuery
from celeriac.http.models import ServiceAccount
from celeriac.http.schema import documented_answers
from celeriac.http.views.base import ApiView

_ERRORS = (401, 422)


class CatalogView(ApiView):
    """A short list."""

    def found(
        self, request: Request, find: Callable[[ServiceAccount], list[dict[str, Any]]]
    ) -> Response:
        """Return what `find` finds for the account."""
        self.query(request, NoQuery)
        return Response({"results": find(self.account(request))})


class KindsView(CatalogView):
    """What may be enqueued."""

    @extend_schema(
        operation_id="kinds_list",
        summary="List the kinds that you were granted",
        responses=documented_answers(catalog.Kinds, 200, *_ERRORS),
        tags=["platform"],
    )
    def get(self, request: Request) -> Response:
        """Return kinds with the JSON Schema of their arguments."""
        return self.found(request, catalog.kinds_of)


class QueuesView(CatalogView):
    """What waits where."""

    @extend_schema(
        operation_id="queues_list",
        summary="List the queues that you were granted",
        responses=documented_answers(catalog.Queues, 200, *_ERRORS),
        tags=["platform"],
    )
    def get(self, request: Request) -> Response:
        """Return each queue's depth, the age of its oldest due job, and its pause."""
        return self.found(request, catalog.queues_of)


class BreakersView(CatalogView):
    """Which circuits hold."""

    @extend_schema(
        operation_id="breakers_list",
        summary="List the circuits that guard your kinds",
        responses=documented_answers(catalog.Breakers, 200, *_ERRORS),
        tags=["platform"],
    )
    def get(self, request: Request) -> Response:
        """Return each circuit's state."""
        return self.found(request, catalog.breakers_of)


class SchedulesView(CatalogView):
    """What fires when."""

    @extend_schema(
        operation_id="schedules_list",
        summary="List the schedules of your kinds",
        responses=documented_answers(catalog.Schedules, 200, *_ERRORS),
        tags=["platform"],
    )
    def get(self, request: Request) -> Response:
        """Return each schedule's next fire time."""
        return self.found(request, catalog.schedules_of)
