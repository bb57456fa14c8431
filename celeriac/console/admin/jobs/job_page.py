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

from celeriac.console.admin.jobs.facts import fact_documents, fact_rows
from celeriac.console.explaining.explain import explanation_of
from celeriac.console.explaining.facts import gather_facts
from celeriac.console.explaining.links import job_links
from celeriac.console.explaining.timeline import job_timeline
from celeriac.console.readonly import ReadOnlyAdmin, clip_text
from celeriac.console.sites import address
from celeriac.console.theme import display
from celeriac.jobs import redaction
from celeriac.jobs.job_pages import sections_of
from celeriac.jobs.models import Job
from celeriac.jobs.phrases import Link
from celeriac.jobs.states import ENDINGS, UNFINISHED
from celeriac.settings import conf

#: How the sentence's panel looks.
TONES = {"running": "info", "parked": "warn", "retrying": "warn"} | {
    ending.state.value: ending.tone for ending in ENDINGS
}


class JobPageAdmin(ReadOnlyAdmin):
    """What a job's page shows beyond its fields; shared by its own page and its fragment."""

    change_form_outer_before_template = "admin/celeriac_jobs/job/job_page.html"

    class Media:
        css = {"all": ("celeriac/job_page.css",)}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return none: the page's own part shows them, as fresh as itself."""
        return []

    def get_urls(self) -> list[URLPattern]:
        """Add the fragment that an open page asks for again."""
        view = self.admin_site.admin_view(self.fragment_view)
        mine = [path("<uuid:job_id>/fragment/", view, name="celeriac_jobs_job_fragment")]
        urls: list[URLPattern] = mine + super().get_urls()
        return urls

    def fragment_view(self, request: HttpRequest, job_id: UUID) -> HttpResponse:
        """Return the fragment anew, or nothing where it is still the one that was seen."""
        job = Job.objects.filter(pk=job_id).first()
        if job is None or not self.has_view_permission(request, job):
            raise Http404
        context = page_context(job, may=request.user.has_perm)
        if request.GET.get("seen") == context["job_page"]["seen"]:
            return HttpResponse(status=204)
        return TemplateResponse(request, "admin/celeriac_jobs/job/_job_page.html", context)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Job | None = None,
    ) -> HttpResponse:
        """Show the job above its fields."""
        if obj is not None:
            context.update(page_context(obj, may=request.user.has_perm))
        answer: HttpResponse = super().render_change_form(
            request, context, add=add, change=change, form_url=form_url, obj=obj
        )
        return answer

    @display(description="error")
    def shown_error(self, job: Job) -> str:
        """The error, secrets redacted."""
        return clip_text(redaction.redactor_for(job.kind, job.args).text(job.error))


def page_context(job: Job, *, may: Callable[[str], bool]) -> dict[str, Any]:
    """Return what the templates need, for somebody with certain permissions."""
    facts, sections = gather_facts(job), sections_of(job, may=may)
    said = explanation_of(facts, sections)
    events = job_timeline(facts, sections)
    seen = (job.state, job.attempt, job.progress, job.run_at, said.sentence, said.also, len(events))
    return {
        "job_page": {
            "job": job,
            "said": said,
            "tone": TONES.get(said.view, "info") if said.code != "worker_lost" else "bad",
            "steps": [
                (step, step.page and link_address(step.page, may=may)) for step in said.steps
            ],
            "events": [(event, _linked(event.links, may)) for event in events],
            "rows": fact_rows(facts),
            "documents": fact_documents(facts),
            "links": _linked(job_links(facts, sections), may),
            "progress": job_progress(job),
            "now": facts.now,
            "lives": job.state in UNFINISHED,
            "seen": sha256(repr(seen).encode()).hexdigest()[:16],
        }
    }


def job_progress(job: Job) -> dict[str, Any] | None:
    """Return how far the job is, where its handler says so."""
    said = job.progress if isinstance(job.progress, dict) else {}
    done, total = said.get("done"), said.get("total")
    if not isinstance(done, int | float) or not isinstance(total, int | float) or total <= 0:
        return None
    percent = max(0, min(100, round(100 * done / total)))
    return {"done": done, "total": total, "percent": percent}


def _linked(found: Iterable[Link], may: Callable[[str], bool]) -> list[tuple[Link, str]]:
    """Return the links that lead somebody to a page, each with its address."""
    pairs = [(link, link_address(link, may=may)) for link in found]
    return [(link, page) for link, page in pairs if page]


def link_address(link: Link, *, may: Callable[[str], bool]) -> str:
    """Return the address of a page; '' for somebody who may not open it."""
    page = _page(link)
    needed = _needed(page)
    if needed and not any(may(name) for name in needed):
        return ""
    if page.startswith(("/", "http")):
        return page
    found = address(page, *(quote(each) for each in link.args))
    if not link.query:
        return found
    name, _, value = link.query.partition("=")
    return f"{found}?{urlencode({name: value})}"


def _page(link: Link) -> str:
    """Return the name of the page; apps below the console name a row by its model's label."""
    app, dot, model = link.page.partition(".")
    return (
        f"admin:{app}_{model}_change"
        if app.isidentifier() and dot and model.isidentifier()
        else link.page
    )


def _needed(page: str) -> tuple[str, ...]:
    """Return the permissions of which one opens a page; names in the admin bear the model's."""
    # Without a password for it, Flower may be no part of the project.
    if conf.FLOWER_BASIC_AUTH and page.startswith(reverse("flower:index")):
        return ("celeriac_monitoring.view_flower",)
    if not page.startswith("admin:"):
        return ()
    app, model, _ = page.removeprefix("admin:").rsplit("_", 2)
    return (f"{app}.view_{model}", f"{app}.change_{model}")
