"""What operators do on a schedule's page, each with its reason."""

from collections.abc import Callable

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django_celery_beat.models import PeriodicTask
from unfold.decorators import action
from unfold.enums import ActionVariant

from celeriac.console.admin.schedules.forms import BackfillForm, PauseForm, ReasonForm
from celeriac.console.admin.schedules.permissions import Permitted
from celeriac.core.errors import CeleriacError
from celeriac.schedules import operate
from celeriac.schedules.definition import clock_of


class Verbs(Permitted):
    """Pause, resume, run now, backfill."""

    actions_detail = ("pause", "resume", "run_now", "backfill")

    @action(
        description="Pause",
        permissions=["pause"],
        variant=ActionVariant.WARNING,
        url_path="pause",
        dialog={"title": "Let no tick fire", "form_class": PauseForm},
    )
    def pause(self, request: HttpRequest, form: PauseForm, object_id: str) -> HttpResponse:
        """Pause the schedule."""
        reason, until = form.cleaned_data["reason"], form.until
        return self._do(
            request,
            object_id,
            lambda pk: operate.pause(pk, reason=reason, actor=request.user, until=until),
            lambda _: "Paused.",
        )

    @action(
        description="Resume",
        permissions=["pause"],
        url_path="resume",
        dialog={"title": "Let ticks fire again", "form_class": ReasonForm},
    )
    def resume(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        """Resume the schedule."""
        reason = form.cleaned_data["reason"]
        return self._do(
            request,
            object_id,
            lambda pk: operate.resume(pk, actor=request.user, reason=reason),
            lambda _: "Resumed.",
        )

    @action(
        description="Run now",
        permissions=["run"],
        url_path="run-now",
        dialog={"title": "Run its job once more, now", "form_class": ReasonForm},
    )
    def run_now(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        """Run the job now."""
        reason = form.cleaned_data["reason"]
        return self._do(
            request,
            object_id,
            lambda pk: operate.run_now(pk, actor=request.user, reason=reason),
            lambda _: "One job was enqueued.",
        )

    @action(
        description="Backfill",
        permissions=["backfill"],
        url_path="backfill",
        dialog={"title": "Run past ticks that did not run", "form_class": BackfillForm},
    )
    def backfill(self, request: HttpRequest, form: BackfillForm, object_id: str) -> HttpResponse:
        """Run a stretch of the past."""
        found = PeriodicTask.objects.select_related("crontab")
        task = get_object_or_404(found, pk=_key(object_id))
        zone = clock_of(task)
        start, end = (form.cleaned_data[key].replace(tzinfo=zone) for key in ("start", "end"))
        reason = form.cleaned_data["reason"]
        return self._do(
            request,
            object_id,
            lambda pk: operate.backfill(
                pk, start=start, end=end, actor=request.user, reason=reason
            ),
            lambda ticks: (
                f"{len(ticks)} jobs were enqueued; the tab of ticks has them."
                if ticks
                else "Nothing to run: every tick of that stretch has run, or there was none."
            ),
        )

    def _do[T](
        self,
        request: HttpRequest,
        object_id: str,
        verb: Callable[[int], T],
        done: Callable[[T], str],
    ) -> HttpResponse:
        pk = _key(object_id)
        try:
            result = verb(pk)
        except CeleriacError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, done(result))
        url = reverse("admin:django_celery_beat_periodictask_change", args=[pk])
        if request.headers.get("HX-Request"):  # the dialog posts by htmx
            return HttpResponse(headers={"HX-Redirect": url})
        return HttpResponseRedirect(url)


def _key(object_id: str) -> int:
    """Return the key that an address bears."""
    try:
        return int(unquote(object_id))
    except ValueError as error:
        raise Http404(f"{object_id!r} is no schedule's key.") from error
