"""Dead letters that somebody has dealt with, and those that nobody has.

A dead job is dealt with once it is queued again, or once somebody says so: an audit row, for all
that died of a kind (of every kind) up to a moment. What dies later counts anew.
"""

from datetime import datetime

from django.db import transaction

from celeriac.core import audit, clock
from celeriac.core.models import Audit
from celeriac.jobs.errors import InvalidOption
from celeriac.jobs.models import Job
from celeriac.jobs.operating.operate import Actor

#: So many are counted for the audit.
MOST = 100_000


def acknowledge_dead(
    *, kind: str = "", upto: datetime | None = None, actor: Actor, reason: str
) -> int:
    """Say that the dead jobs of `kind` (of every kind) that died by `upto` are dealt with.

    `upto` is now by default. Returns how many these are, MOST at most; raises InvalidOption
    without a reason. The jobs stay as they are.
    """
    if not reason.strip():
        raise InvalidOption("Say why: what was done about these dead letters?")
    upto = min(upto or clock.db_now(), clock.db_now())
    chosen = Job.objects.dead().filter(finished_at__lte=upto)
    if kind:
        chosen = chosen.filter(kind=kind)
    with transaction.atomic():
        count = chosen[:MOST].count()
        audit.record(
            "dead_letters.acknowledge",
            "dead letters",
            kind,  # or nothing, for every kind
            actor=actor,
            count=count,
            reason=reason,
            details={"upto": upto.isoformat()},
        )
    return count


def acknowledged_dead() -> dict[str, datetime]:
    """Return by kind up to when its dead are dealt with; under "" what holds for every kind."""
    rows = Audit.objects.filter(target_type="dead letters").order_by("target_id", "-at")
    latest = rows.distinct("target_id").values_list("target_id", "details__upto")
    return {kind: datetime.fromisoformat(upto) for kind, upto in latest}
