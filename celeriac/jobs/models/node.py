"""A flow's rows: its nodes, the edges between them, and the events that were emitted."""

from django.db import models
from django.db.models import Q

from celeriac.core.clock import Now
from celeriac.core.ids import uuid7
from celeriac.jobs.nodes.states import FINISHED, EdgeCondition, Form, IfDead, NodeState

#: One flow of a name and key.
FLOW_KEY = "celeriac_node_flow_key"


def _choices(names: type) -> list[tuple[str, str]]:
    return [(name.value, name.value) for name in names]  # type: ignore[attr-defined]  # an enum


class NodeQuerySet(models.QuerySet["Node"]):
    """Nodes by what they are."""

    def flows(self) -> "NodeQuerySet":
        """Return the flows themselves, without what is inside."""
        return self.filter(parent__isnull=True)


class Node(models.Model):
    """A part of a flow: a group of jobs (of one, where its id is the job's), an event, a flow."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    #: The outermost flow, and the flow that this is a part of; its own id, and none, of a flow.
    flow = models.UUIDField()
    parent = models.UUIDField(null=True, blank=True)
    name = models.TextField()
    form = models.TextField(choices=_choices(Form))
    state = models.TextField(choices=_choices(NodeState))
    if_dead = models.TextField(db_default=IfDead.STOP, choices=_choices(IfDead))
    #: How often an operator's retry has opened it anew.
    generation = models.PositiveIntegerField(db_default=0)
    #: Why it ended as it did, or stands: "job … (mail.report) died".
    because = models.TextField(db_default="", blank=True)
    #: Seconds between its unblocking and the start of its jobs.
    delay = models.FloatField(db_default=0.0)
    #: A flow's own key: the same name and key again is the same flow.
    key = models.TextField(null=True, blank=True)  # noqa: DJ001 null: not unique
    #: Of an event: its id, how long it is waited for (seconds, from its unblocking), until when,
    #: and whether what follows goes on without it.
    event = models.UUIDField(null=True, blank=True)
    event_key = models.TextField(db_default="", blank=True)
    timeout = models.FloatField(null=True, blank=True)
    deadline = models.DateTimeField(null=True, blank=True)
    goes_on = models.BooleanField(db_default=False)
    #: A job that took the place of a member, and has not ended.
    substitute = models.UUIDField(null=True, blank=True)
    tenant = models.TextField(db_default="", blank=True)
    correlation_id = models.TextField(db_default="", blank=True)
    enqueued_by = models.TextField(db_default="", blank=True)
    #: What a door keeps with it, such as what an answer or a callback needs.
    facts = models.JSONField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    opened_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = NodeQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="celeriac_node_state_known",
                condition=Q(state__in=[s.value for s in NodeState]),
            ),
            models.CheckConstraint(
                name="celeriac_node_closed_at_exactly_when_closed",
                condition=Q(state__in=sorted(FINISHED), closed_at__isnull=False)
                | (~Q(state__in=sorted(FINISHED)) & Q(closed_at__isnull=True)),
            ),
            models.UniqueConstraint(
                name=FLOW_KEY, fields=["name", "key"], condition=Q(key__isnull=False)
            ),
        ]
        indexes = [
            models.Index("flow", "id", name="celeriac_node_of_flow"),
            models.Index(
                "parent",
                "id",
                name="celeriac_node_unfinished",
                condition=Q(state__in=[NodeState.WAITING, NodeState.OPEN]),
            ),
            models.Index("id", name="celeriac_node_open", condition=Q(state=NodeState.OPEN)),
            models.Index(
                "event",
                name="celeriac_node_event",
                condition=Q(event__isnull=False),
            ),
            models.Index(
                "deadline",
                name="celeriac_node_timed",
                condition=Q(state=NodeState.OPEN)
                & (Q(deadline__isnull=False) | Q(substitute__isnull=False)),
            ),
            models.Index(
                "closed_at",
                "id",
                name="celeriac_node_closed",
                condition=Q(parent__isnull=True, closed_at__isnull=False),
            ),
            models.Index(
                models.F("id").desc(),
                name="celeriac_node_flows",
                condition=Q(parent__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_finished(self) -> bool:
        """Whether it has ended, however; a retry may open it anew."""
        return self.state in FINISHED


class NodeEdge(models.Model):
    """What a node waits for: another one of its flow, and how that has to end."""

    before = models.UUIDField()
    after = models.UUIDField()
    condition = models.TextField(choices=_choices(EdgeCondition))

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                name="celeriac_edge_once", fields=["after", "before", "condition"]
            )
        ]
        indexes = [models.Index("before", name="celeriac_edge_before")]

    def __str__(self) -> str:
        return f"{self.after} after {self.before} {self.condition}"


class Emission(models.Model):
    """An event that was emitted: the first of its name and key."""

    #: Made from name and key.
    id = models.UUIDField(primary_key=True, editable=False)
    name = models.TextField()
    key = models.TextField(db_default="", blank=True)
    payload = models.JSONField(null=True, blank=True)
    emitted_by = models.TextField(db_default="", blank=True)
    emitted_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-emitted_at"]
        indexes = [models.Index("emitted_at", name="celeriac_emission_old")]

    def __str__(self) -> str:
        return f"{self.name} {self.key}".strip()
