"""What the ledger says: counts for the view while it runs, every row for the audit at the end.

Import it once Django is set up.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from django.db.models import Case, Count, F, QuerySet, Sum, TextField, Value, When

from apps.notifications.models import Email
from apps.orders.models import Order
from celeriac.breakers import selectors as breakers
from celeriac.breakers.models import Transition
from celeriac.breakers.replies import BreakerState
from celeriac.core import clock
from celeriac.core.clock import Now
from celeriac.jobs.models import Attempt, Job, Queue, Worker
from celeriac.jobs.states import State
from sandbox.demo import statements

#: The queues whose jobs serve orders.
QUEUES = ("payments", "notifications")


@dataclass(frozen=True, slots=True)
class Circuit:
    """A breaker as the view shows it; `seconds` until it may be tried again."""

    name: str
    state: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The platform at one moment."""

    orders: dict[str, int] = field(default_factory=dict)
    mails: dict[str, int] = field(default_factory=dict)
    queues: dict[str, dict[str, int]] = field(default_factory=dict)
    circuits: tuple[Circuit, ...] = ()
    transitions: tuple[str, ...] = ()
    losses: int = 0
    workers: int = 0

    @property
    def settled(self) -> int:
        """How many orders have their outcome."""
        return self.orders.get("paid", 0) + self.orders.get("declined", 0)

    @property
    def placed(self) -> int:
        """How many orders there are."""
        return sum(self.orders.values())

    @property
    def unfinished(self) -> int:
        """How many jobs that serve orders wait or run."""
        open_views = ("due", "later", "running")
        mine = [self.queues.get(name, {}) for name in QUEUES]
        return sum(views.get(view, 0) for views in mine for view in open_views)


def take_snapshot() -> Snapshot:
    """Return how the platform stands now."""
    losses = Job.objects.filter(losses__gt=0).aggregate(total=Sum("losses"))["total"]
    return Snapshot(
        orders=_by_state(Order),
        mails=_by_state(Email),
        queues=_queues(),
        circuits=tuple(_circuits()),
        transitions=tuple(_transitions()),
        losses=losses or 0,
        workers=_beating().count(),
    )


def is_ready(workers: int) -> bool:
    """Return whether a dispatcher holds every queue and so many workers beat."""
    held = Queue.objects.filter(holder__isnull=False, name__in=QUEUES).count()
    return held == len(QUEUES) and _beating().count() >= workers


def is_busy(pid: int) -> bool:
    """Return whether the worker with that process id holds a claim."""
    boots = Worker.objects.filter(pid=pid).values("id")
    return Job.objects.running().filter(worker__in=boots).exists()


def stuck(most: int = 20) -> list[str]:
    """Return what the unfinished jobs of orders wait for, one a line."""
    rows = Job.objects.filter(queue__in=QUEUES).exclude(finished_at__isnull=False).order_by("id")
    return [
        f"{job.kind} {job.id}: {job.state}, run_at {job.run_at:%H:%M:%S}, attempt {job.attempt}, "
        f"failures {job.failures}, losses {job.losses}, {job.wait_reason or job.error or '-'}"
        for job in rows[:most]
    ]


def scars() -> dict[str, int]:
    """Return how often runs ended in other ways than success, by outcome."""
    ended = Attempt.objects.exclude(outcome=State.SUCCEEDED).order_by()
    return dict(ended.values_list("outcome").annotate(Count("id")))


def openings() -> str:
    """Return how often each circuit opened, in words."""
    opened = Transition.objects.filter(to_state=BreakerState.OPEN).order_by("breaker_id")
    counted = opened.values_list("breaker_id").annotate(Count("id"))
    return ", ".join(f"{name} opened {count}x" for name, count in counted) or "never opened"


def orders() -> list[statements.Order]:
    """Return every order with its payment and mails."""
    mails = _mails()
    rows = Order.objects.select_related("payment").order_by("id")
    return [
        statements.Order(
            id=str(row.id),
            state=row.state,
            amount=row.total_amount,
            payment_id=str(row.payment_id),
            payment_state=row.payment.state,
            receipt=mails[f"order:{row.id}"].get("orders/receipt"),
            notice=mails[f"order:{row.id}"].get("orders/declined"),
        )
        for row in rows
    ]


def jobs() -> list[statements.Work]:
    """Return every job that serves an order."""
    rows = Job.objects.filter(queue__in=QUEUES).order_by("id")
    return [
        statements.Work(
            id=str(row.id),
            kind=row.kind,
            state=row.state,
            about=str(row.args.get("payment_id") or row.args.get("email_id") or ""),
        )
        for row in rows.only("id", "kind", "state", "args")
    ]


def _beating() -> QuerySet[Worker]:
    """Return the workers that nobody would call lost."""
    return Worker.objects.living()


def _mails() -> dict[str, dict[str, statements.Mail]]:
    found: dict[str, dict[str, statements.Mail]] = defaultdict(dict)
    for row in Email.objects.all():
        found[row.reference][row.template] = statements.Mail(
            str(row.id), row.message_id, row.state, row.resends_after_unknown
        )
    return found


def _by_state(model: type[Order] | type[Email]) -> dict[str, int]:
    return dict(model._default_manager.order_by().values_list("state").annotate(Count("pk")))


def _queues() -> dict[str, dict[str, int]]:
    """Count the jobs of each queue by state; queued ones are due, or come later."""
    view = Case(
        When(state=State.QUEUED, run_at__gt=Now(), then=Value("later")),
        When(state=State.QUEUED, then=Value("due")),
        default=F("state"),
        output_field=TextField(),
    )
    counted = Job.objects.order_by().values_list("queue", view).annotate(Count("id"))
    found: dict[str, dict[str, int]] = {name: {} for name in QUEUES}
    for queue, state, count in counted:
        found.setdefault(queue, {})[state] = count
    return found


def _circuits() -> list[Circuit]:
    now = clock.db_now()
    return [
        Circuit(row.name, row.state, (row.until - now).total_seconds() if row.until else None)
        for row in breakers.breaker_statuses(["payments", "email"])
    ]


def _transitions() -> list[str]:
    rows = Transition.objects.order_by("id")
    return [f"circuit {row.breaker_id}: {row.from_state} → {row.to_state}" for row in rows]
