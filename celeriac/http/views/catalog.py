"""Kinds, queues, breakers and schedules over HTTP: as much of them as the account's grants name."""

from collections.abc import Callable
from typing import Any, cast

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema, extend_schema_view
from pydantic import BaseModel
from rest_framework.request import Request
from rest_framework.response import Response

from celeriac.http import catalog
from celeriac.http.bodies import NoQuery
from celeriac.http.models import ServiceAccount
from celeriac.http.schema import documented_answers
from celeriac.http.views.base import ApiView

type Find = Callable[[ServiceAccount], list[dict[str, Any]]]

#: By name: what it lists, what it answers, the answer's shape, and what finds it for an account.
LISTS: dict[str, tuple[str, str, type[BaseModel], Find]] = {
    "kinds": (
        "the kinds that you were granted",
        "Return kinds with the JSON Schema of their arguments.",
        catalog.Kinds,
        catalog.kinds_of,
    ),
    "queues": (
        "the queues that you were granted",
        "Return each queue's depth, the age of its oldest due job, and its pause.",
        catalog.Queues,
        catalog.queues_of,
    ),
    "breakers": (
        "the circuits that guard your kinds",
        "Return each circuit's state.",
        catalog.Breakers,
        catalog.breakers_of,
    ),
    "schedules": (
        "the schedules of your kinds",
        "Return each schedule's next fire time.",
        catalog.Schedules,
        catalog.schedules_of,
    ),
}


class CatalogView(ApiView):
    """A short list."""

    find: Find

    def get(self, request: Request) -> Response:
        """Return what is found for the account."""
        self.query(request, NoQuery)
        return Response({"results": type(self).find(self.account(request))})


def catalog_view(name: str) -> Callable[..., HttpResponseBase]:
    """Return the view of one list."""
    listed, description, shape, find = LISTS[name]
    get = extend_schema(
        operation_id=f"{name}_list",
        summary=f"List {listed}",
        description=description,
        responses=documented_answers(shape, 200, 401, 422),
        tags=["platform"],
    )
    view = type(f"{name.title()}View", (CatalogView,), {"find": staticmethod(find)})
    return cast(type[CatalogView], extend_schema_view(get=get)(view)).as_view()
