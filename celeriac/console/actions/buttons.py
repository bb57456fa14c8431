"""Actions on pages: a button with its dialog on a job's page, and a choice over the list.

The choice only leads on: the page of bulk actions counts, previews, asks for a confirmation and
begins (admin.py). The buttons call the service, which has the last word.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.decorators import action as declared
from unfold.enums import ActionVariant

from celeriac.console.actions.forms import ActionForm, found_job
from celeriac.console.dialogs import act
from celeriac.console.readonly import uuid_or_404
from celeriac.jobs.operating.actions import Action
from celeriac.jobs.operating.operate import act_on_job


def offering(actions: Iterable[Action]) -> Callable[[type], Any]:
    """Return a decorator that puts the actions on the pages of an admin of jobs."""
    offered = tuple(actions)
    in_bulk = [action for action in offered if action.in_bulk]

    def offer(page: Any) -> Any:  # noqa: ANN401 a ModelAdmin
        for action in offered:
            # unfold's system check looks names of permissions up in tables that migrate makes
            setattr(page, f"has_{action.name}_permission", _permitted(action))
            setattr(page, action.name, _button(action))
        for action in in_bulk:
            setattr(page, f"{action.name}_chosen", _choice(action))
        page.actions = tuple(f"{action.name}_chosen" for action in in_bulk)
        page.actions_detail = tuple(action.name for action in offered)
        page.get_actions_detail = _allowed(page.get_actions_detail, offered)
        return page

    return offer


def _permitted(action: Action) -> Callable[..., bool]:
    def is_permitted(admin: Any, request: HttpRequest, object_id: Any = None) -> bool:  # noqa: ANN401 a ModelAdmin's
        return request.user.has_perm(action.permission)

    return is_permitted


def _allowed(find: Callable[..., list[Any]], offered: Iterable[Action]) -> Callable[..., list[Any]]:
    """Leave out the buttons that the job's state would refuse."""
    states = {action.label: action.states for action in offered}

    def allowed(admin: Any, request: HttpRequest, object_id: Any) -> list[Any]:  # noqa: ANN401 a ModelAdmin's
        job = found_job(unquote(str(object_id)))
        buttons = find(admin, request, object_id)
        if job is None:
            return buttons
        return [each for each in buttons if job.state in states.get(each.description, (job.state,))]

    return allowed


def _button(action: Action) -> Any:  # noqa: ANN401 unfold's
    def press(admin: Any, request: HttpRequest, form: ActionForm, object_id: str) -> HttpResponse:  # noqa: ANN401 a ModelAdmin
        values = {name: form.cleaned_data[name] for name in action.fields}
        said = {"actor": request.user, "reason": form.cleaned_data["reason"]}
        return act(
            request,
            reverse("admin:celeriac_jobs_job_change", args=[object_id]),
            action.message_of(values),
            lambda: act_on_job(action, uuid_or_404(object_id), **said, **values),
        )

    press.__name__ = action.name
    dialog = {
        "title": action.title,
        "description": action.description,
        "form_class": type("Dialog", (ActionForm,), {"action": action}),
        "form_submit_text": action.submit,
    }
    return declared(
        description=action.label,
        permissions=[action.name],
        url_path=action.name.replace("_", "-"),
        variant=ActionVariant.DANGER if action.is_dangerous else ActionVariant.DEFAULT,
        dialog={name: value for name, value in dialog.items() if value},
    )(press)


def _choice(action: Action) -> Any:  # noqa: ANN401 unfold's
    def lead(admin: Any, request: HttpRequest, queryset: Any) -> HttpResponse:  # noqa: ANN401 a ModelAdmin's
        url = reverse("admin:celeriac_console_bulkverb_apply", args=[action.name])
        query = request.GET.urlencode()
        # Posted again there, with what was chosen.
        return HttpResponseRedirect(f"{url}?{query}" if query else url, preserve_request=True)

    lead.__name__ = f"{action.name}_chosen"
    return declared(description=f"{action.label}…", permissions=[action.name])(lead)
