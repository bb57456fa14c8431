"""Actions on pages: a button with its dialog on a job's page, and a choice over the list.

The choice only leads on: the page of bulk actions counts, previews, asks for a confirmation and
begins (admin.py). The buttons call the service, which has the last word.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponseRedirect

from celeriac.console.actions.forms import ActionForm, found_job
from celeriac.console.dialogs import Button, with_buttons
from celeriac.console.readonly import uuid_or_404
from celeriac.console.sites import address
from celeriac.console.theme import ActionVariant, action as declared
from celeriac.jobs.operating.actions import Action
from celeriac.jobs.operating.operate import act_on_job


def offering(actions: Iterable[Action]) -> Callable[[type[Any]], Any]:
    """Return a decorator that puts the actions on the pages of an admin of jobs."""
    offered = tuple(actions)
    in_bulk = [action for action in offered if action.in_bulk]

    def offer(page: type[Any]) -> Any:
        with_buttons(*map(_button, offered), key=uuid_or_404)(page)
        for action in in_bulk:
            setattr(page, f"{action.name}_chosen", _choice(action))
        page.actions = tuple(f"{action.name}_chosen" for action in in_bulk)
        page.get_actions_detail = _allowed(page.get_actions_detail, offered)
        return page

    return offer


def _button(action: Action) -> Button:
    return Button(
        name=action.name,
        label=action.label,
        title=action.title,
        description=action.description,
        submit=action.submit,
        permission=action.permission,
        service=partial(act_on_job, action),
        done=action.message or f"{action.done[0].upper()}{action.done[1:]}.",
        form=type("Dialog", (ActionForm,), {"action": action}),
        variant=ActionVariant.DANGER if action.is_dangerous else ActionVariant.DEFAULT,
    )


def _allowed(find: Callable[..., list[Any]], offered: Iterable[Action]) -> Callable[..., list[Any]]:
    """Leave out the buttons that the job's state would refuse."""
    states = {action.label: action.states for action in offered}

    def allowed(admin: Any, request: HttpRequest, object_id: Any) -> list[Any]:
        job = found_job(unquote(str(object_id)))
        buttons = find(admin, request, object_id)
        if job is None:
            return buttons
        return [each for each in buttons if job.state in states.get(each.description, (job.state,))]

    return allowed


def _choice(action: Action) -> Any:
    def lead(admin: Any, request: HttpRequest, queryset: Any) -> HttpResponseRedirect:
        url = address("admin:celeriac_console_bulkaction_apply", action.name)
        query = request.GET.urlencode()
        # Posted again there, with what was chosen.
        return HttpResponseRedirect(f"{url}?{query}" if query else url, preserve_request=True)

    lead.__name__ = f"{action.name}_chosen"
    return declared(description=f"{action.label}…", permissions=[action.name])(lead)
