"""Lists over tables that grow: a page costs what it shows, whatever stands behind it.

No index serves every filter, sorting and word that an operator may think of, since each would be
paid for by each row. So what no index serves looks at the newest rows only, and whatever is
searched for by its name (an id, an address, a reference) is found by an index, however old.
"""

from collections.abc import Iterable, Iterator
from functools import reduce
from ipaddress import ip_address
from operator import or_
from typing import Any
from uuid import UUID

from django.contrib.admin import AllValuesFieldListFilter
from django.contrib.admin.views.main import ALL_VAR, ORDER_VAR, SEARCH_VAR
from django.core.exceptions import FieldDoesNotExist
from django.db.models import (
    CharField,
    Field,
    ForeignKey,
    GenericIPAddressField,
    IntegerField,
    Model,
    Q,
    QuerySet,
    TextField,
    UUIDField,
)
from django.db.models.expressions import F, OrderBy
from django.db.models.functions import Coalesce, Lower
from django.http import HttpRequest

from celeriac.console.safe_lists import SafeListAdmin
from celeriac.console.theme import ChangeList, ModelAdmin

#: How many of the newest rows a filter or a sorting without an index looks at.
NEWEST = 100_000
#: How many of the newest rows are searched for words that no index knows.
READ = 20_000
#: The most rows that one way of searching finds.
FOUND = 1_000
#: The most rows of a parent that a search goes by.
MOST_PARENTS = 100
#: The newest rows whose values a filter offers.
OFFERED = 1_000

#: So that `email__lower__startswith` asks as an index on lower(email) has it.
CharField.register_lookup(Lower)

_LOOKS = {ALL_VAR, SEARCH_VAR, "_facets", "_popup", "_to_field", "_changelist_filters"}


class LargeTableList(ChangeList):  # type: ignore[misc]  # unfold ships no types
    """A list that never looks further than its admin allows."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Return the rows; under filters that no index serves, those among the newest."""
        found: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        asked = set(self.params) - _LOOKS - set(self.model_admin.indexed_filters)
        if self.query or not asked or not self.model_admin.looks_at_newest:
            return found
        # What belongs to the rows is fetched for those shown: joined, it would be read for all.
        found = found.select_related(None).prefetch_related(*self.list_select_related or ())
        if ORDER_VAR in self.params:
            found = found.order_by(*map(_sorted, found.query.order_by))
        return newest_rows(found, by=self.model_admin.age)

    def get_ordering_field(self, field_name: Any) -> Any:
        """Return what to sort by; nothing for a column that the admin does not sort by."""
        if str(field_name) not in self.sortable_by:
            return None
        return super().get_ordering_field(field_name)


class LargeTableAdmin(SafeListAdmin, ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """A list that costs what it shows."""

    #: Lookups by which the search finds, each served by an index; see large_tables.find_rows.
    finds: tuple[str, ...] = ()
    #: Columns that are searched for words among the newest rows, where nothing is found by those.
    words: tuple[str, ...] = ()
    #: A relation to few rows, and their name: what belongs to a row so named is found too.
    parent: tuple[str, str] | None = None
    #: The column that grows with time, and has an index.
    age = "pk"
    #: Whether filters and sortings look at the newest rows only, and those that an index serves.
    looks_at_newest = True
    indexed_filters: tuple[str, ...] = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LargeTableList]:
        """Return a list that costs what it shows."""
        return LargeTableList

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Return the filters; none reads a whole table for what it offers."""
        return list(filters_of(self.model, super().get_list_filter(request)))

    def get_sortable_by(self, request: HttpRequest) -> Any:
        """Return the columns to sort by; another table's would be read whole."""
        if self.sortable_by is not None:
            return self.sortable_by
        shown = self.get_list_display(request)
        return [name for name in shown if not is_relation(self.model, str(name))]

    def get_search_fields(self, request: HttpRequest) -> Any:
        """Return what shows the search field."""
        return self.finds or super().get_search_fields(request)

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """Find by indexes, where `finds` says by which."""
        if self.parent and search_term:
            found_by_parent = find_by_parent(queryset, search_term, self.parent)
            if found_by_parent.exists():
                return found_by_parent, False
        if not self.finds:
            found: tuple[Any, bool] = super().get_search_results(request, queryset, search_term)
            return found
        rows = find_rows(queryset, search_term, finds=self.finds, words=self.words, age=self.age)
        return rows, False


class RecentValues(AllValuesFieldListFilter):
    """A filter that offers what the newest rows hold, instead of reading the whole table."""

    def __init__(
        self,
        field: Any,
        request: HttpRequest,
        params: dict[str, Any],
        model: type[Model],
        model_admin: Any,
        field_path: str,
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        rows = model._default_manager.order_by(f"-{model_admin.age}").values_list(field_path)
        values = {value for (value,) in rows[:OFFERED]} - {None}
        chosen = {self.lookup_val} if isinstance(self.lookup_val, str) else set()
        self.lookup_choices: Any = sorted(values | chosen)


def newest_rows(
    queryset: QuerySet[Any], *, by: str = "pk", most: int | None = None
) -> QuerySet[Any]:
    """Return those among the newest `most` rows (NEWEST) by a column that grows with time.

    The edge is asked for first: as a subquery it would be unknown to the planner, which
    would then rather read the whole table.
    """
    limit = NEWEST if most is None else most
    column = queryset.model._default_manager.order_by(f"-{by}").values_list(by, flat=True)
    edge = next(iter(column[limit : limit + 1]), None)
    return queryset if edge is None else queryset.filter(**{f"{by}__gt": edge})


def filters_of(model: type[Model], given: Iterable[Any]) -> Iterator[Any]:
    """Yield the list's filters; one over a column's values offers those of the newest rows."""
    for each in given:
        yield (each, RecentValues) if isinstance(each, str) and _is_open(model, each) else each


def find_rows(
    queryset: QuerySet[Any],
    term: str,
    *,
    finds: Iterable[str],
    words: Iterable[str] = (),
    age: str = "pk",
) -> QuerySet[Any]:
    """Return the rows that the term names by one of `finds`, each a lookup that an index serves.

    A lookup of an id is tried where the term is one. Where none is found, `words` are
    searched for as they are, among the newest READ rows.
    """
    term = term.replace("\x00", "").strip()
    if not term:
        return queryset
    rows = queryset.model._default_manager.order_by()
    keys: set[Any] = set()
    for lookup in finds:
        for value in _values(queryset.model, lookup, term):
            named = _named(queryset.model, lookup, value)
            keys.update(rows.filter(**named).values_list("pk", flat=True)[:FOUND])
    if not keys and (columns := list(words)):
        said = reduce(or_, (Q(**{f"{column}__icontains": term}) for column in columns))
        recent = newest_rows(rows, by=age, most=READ)
        keys.update(recent.filter(said).order_by(f"-{age}").values_list("pk", flat=True)[:FOUND])
    return queryset.filter(pk__in=keys)


def find_by_parent(queryset: QuerySet[Any], term: str, parent: tuple[str, str]) -> QuerySet[Any]:
    """Return the rows that belong to what the term names: a relation to few rows, their name."""
    relation, column = parent
    model = queryset.model._meta.get_field(relation).related_model
    named = model._default_manager.filter(**{f"{column}__icontains": term.replace("\x00", "")})
    keys = list(named.values_list("pk", flat=True)[:MOST_PARENTS])
    return queryset.filter(**{f"{relation}__in": keys})


def is_relation(model: type[Model], name: str) -> bool:
    """Whether a column of a list shows another model's row."""
    try:
        return bool(model._meta.get_field(name).is_relation)
    except FieldDoesNotExist:
        return False


def _sorted(order: Any) -> OrderBy:
    """Return an order that no index has, so that the newest rows are sorted.

    The planner does not know that an index in the order of time meets the newest rows last: it
    would walk from the oldest of all.
    """
    if isinstance(order, str):
        order = OrderBy(F(order.lstrip("-")), descending=order.startswith("-"))
    elif not isinstance(order, OrderBy):
        order = OrderBy(order)
    (expression,) = order.get_source_expressions()
    return OrderBy(Coalesce(expression, expression), descending=order.descending)


def _values(model: type[Model], lookup: str, term: str) -> list[Any]:
    """Return what the term is to this lookup: nothing where an id is asked for and it is none."""
    if "lower" in lookup.split("__"):
        return [term.lower()]
    field = _field(model, lookup)
    try:
        if isinstance(field, UUIDField):
            return [UUID(term)]
        if isinstance(field, IntegerField):
            return [int(term)] if term.isascii() and term.isdigit() and len(term) < 19 else []
        return [str(ip_address(term))] if isinstance(field, GenericIPAddressField) else [term]
    except ValueError:
        return []


def _named(model: type[Model], lookup: str, value: Any) -> dict[str, Any]:
    """Return the condition; what it asks of another table is asked there first."""
    relation, _, rest = lookup.partition("__")
    if not rest or not is_relation(model, relation):
        return {lookup: value}
    related: Any = model._meta.get_field(relation).related_model
    keys = related._default_manager.order_by().filter(**{rest: value})
    return {f"{relation}__in": list(keys.values_list("pk", flat=True)[:FOUND])}


def _is_open(model: type[Model], name: str) -> bool:
    field = _field(model, name)
    return isinstance(field, CharField | TextField) and not field.choices


def _field(model: type[Model], lookup: str) -> "Field[Any, Any] | None":
    """Return the field that a lookup ends at."""
    found: Any = None
    for name in lookup.split("__"):
        try:
            found = model._meta.pk if name == "pk" else model._meta.get_field(name)
        except FieldDoesNotExist:
            break
        model = found.related_model or model
    if isinstance(found, ForeignKey):  # asked for by its key
        return found.target_field
    return found if isinstance(found, Field) else None
