"""What operators do on a schedule's page, each with its reason."""

from django.contrib.admin.utils import unquote
from django.http import Http404

from celeriac.console.admin.schedules.forms import BackfillForm, MayGiveReasonForm
from celeriac.console.dialogs import Button, UntilForm
from celeriac.console.theme import ActionVariant
from celeriac.schedules import operate
from celeriac.schedules.models import Tick


def _backfilled(ticks: list[Tick]) -> str:
    if not ticks:
        return "Nothing to run: every tick of that stretch has run, or there was none."
    return f"{len(ticks)} jobs were enqueued; the tab of ticks has them."


BUTTONS = (
    Button(
        name="pause",
        title="Let no tick fire",
        permission="celeriac_schedules.pause_schedule",
        service=operate.pause_schedule,
        done="Paused.",
        form=UntilForm,
        variant=ActionVariant.WARNING,
    ),
    Button(
        name="resume",
        title="Let ticks fire again",
        permission="celeriac_schedules.pause_schedule",
        service=operate.resume_schedule,
        done="Resumed.",
        form=MayGiveReasonForm,
    ),
    Button(
        name="run_now",
        title="Run its job once more, now",
        permission="celeriac_schedules.run_schedule",
        service=operate.run_schedule_now,
        done="One job was enqueued.",
        form=MayGiveReasonForm,
    ),
    Button(
        name="backfill",
        title="Run past ticks that did not run",
        permission="celeriac_schedules.backfill_schedule",
        service=operate.backfill_schedule,
        done=_backfilled,
        form=BackfillForm,
    ),
)


def key_of(object_id: str) -> int:
    """Return the key that an address bears."""
    try:
        return int(unquote(object_id))
    except ValueError as error:
        raise Http404(f"{object_id!r} is no schedule's key.") from error
