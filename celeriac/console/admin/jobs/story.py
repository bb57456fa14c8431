"""A job's page: the answer at its top, its progress, its timeline, and what to do."""

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.admin.utils import quote
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.decorators import display

from celeriac.console.admin.jobs.facts import documents, rows
from celeriac.console.explaining.explain import explanation
from celeriac.console.explaining.facts import gather
from celeriac.console.explaining.links import links
from celeriac.console.explaining.timeline import timeline
from celeriac.console.readonly import ReadOnlyAdmin, clipped
from celeriac.jobs import redacting
from celeriac.jobs.companions import told
from celeriac.jobs.models import Job
from celeriac.jobs.states import ENDINGS, State
from celeriac.jobs.words import Link

#: How the sentence's panel looks.
TONES = {"running": "info", "parked": "warn", "retrying": "warn"} | {
    ending.state.value: ending.tone for ending in ENDINGS
}


class StoryAdmin(ReadOnlyAdmin):
    """What a job's page shows beyond its fields; shared by its own page and its fragment."""

    change_form_outer_before_template = "admin/celeriac_jobs/job/story.html"

    class Media:
        css = {"all": ("celeriac/story.css",)}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return none: the story shows the fields, so that they stay as fresh as it is."""
        return []

    def get_urls(self) -> list[URLPattern]:
        """Add the fragment that an open page asks for again."""
        view = self.admin_site.admin_view(self.story_view)
        mine = [path("<uuid:job_id>/story/", view, name="celeriac_jobs_job_story")]
        urls: list[URLPattern] = mine + super().get_urls()
        return urls

    def story_view(self, request: HttpRequest, job_id: UUID) -> HttpResponse:
        """Return the story anew, or nothing where it is still the one that was seen."""
        job = Job.objects.filter(pk=job_id).first()
        if job is None or not self.has_view_permission(request, job):
            raise Http404
        context = story(job, may=request.user.has_perm)
        if request.GET.get("seen") == context["story"]["seen"]:
            return HttpResponse(status=204)
        return TemplateResponse(request, "admin/celeriac_jobs/job/_story.html", context)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Job | None = None,
    ) -> HttpResponse:
        """Show the story above the fields."""
        if obj is not None:
            context.update(story(obj, may=request.user.has_perm))
        answer: HttpResponse = super().render_change_form(
            request, context, add=add, change=change, form_url=form_url, obj=obj
        )
        return answer

    @display(description="error")
    def shown_error(self, job: Job) -> str:
        """The error, secrets masked."""
        return clipped(redacting.veil(job.kind, job.args).text(job.error))


def story(job: Job, *, may: Callable[[str], bool]) -> dict[str, Any]:
    """Return what the templates need, for somebody with certain permissions."""
    facts, companions = gather(job), told(job, may=may)
    said = explanation(facts, companions)
    events = timeline(facts, companions)
    seen = (job.state, job.attempt, job.progress, job.run_at, said.sentence, said.also, len(events))
    return {
        "story": {
            "job": job,
            "said": said,
            "tone": TONES.get(said.view, "info") if said.code != "worker_lost" else "bad",
            "steps": [(step, step.page and address(step.page, may=may)) for step in said.steps],
            "events": [(event, _addressed(event.links, may)) for event in events],
            "rows": rows(facts),
            "documents": documents(facts),
            "links": _addressed(links(facts, companions), may),
            "progress": progress(job),
            "now": facts.now,
            "lives": job.state in (State.QUEUED, State.RUNNING),
            "seen": sha256(repr(seen).encode()).hexdigest()[:16],
        }
    }


def progress(job: Job) -> dict[str, Any] | None:
    """Return how far the job is, where its handler says so."""
    said = job.progress if isinstance(job.progress, dict) else {}
    done, total = said.get("done"), said.get("total")
    if not isinstance(done, int | float) or not isinstance(total, int | float) or total <= 0:
        return None
    percent = max(0, min(100, round(100 * done / total)))
    return {"done": done, "total": total, "percent": percent}


def _addressed(found: Iterable[Link], may: Callable[[str], bool]) -> list[tuple[Link, str]]:
    """Return the links that lead somebody to a page, each with its address."""
    pairs = [(link, address(link, may=may)) for link in found]
    return [(link, page) for link, page in pairs if page]


def address(link: Link, *, may: Callable[[str], bool]) -> str:
    """Return the address of a page; '' for somebody who may not open it."""
    page = _page(link)
    needed = _needed(page)
    if needed and not any(may(name) for name in needed):
        return ""
    if page.startswith(("/", "http")):
        return page
    found = reverse(page, args=[quote(each) for each in link.args])
    if not link.query:
        return found
    name, _, value = link.query.partition("=")
    return f"{found}?{urlencode({name: value})}"


def _page(link: Link) -> str:
    """Return the name of the page; apps below the console name a row by its model's label."""
    app, dot, model = link.page.partition(".")
    return f"admin:{app}_{model}_change" if dot and model.isidentifier() else link.page


def _needed(page: str) -> tuple[str, ...]:
    """Return the permissions of which one opens a page; names in the admin bear the model's."""
    if page.startswith(reverse("flower:index")):
        return ("celeriac_monitoring.view_flower",)
    if not page.startswith("admin:"):
        return ()
    app, model, _ = page.removeprefix("admin:").rsplit("_", 2)
    return (f"{app}.view_{model}", f"{app}.change_{model}")
