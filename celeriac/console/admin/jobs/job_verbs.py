"""What may be done to one queued job besides cancelling it, and to one that must run differently.

Each is a dialog that asks why, a permission of its own, and one call of a service.
"""

import json
from typing import Any
from uuid import UUID

from django import forms
from django.contrib.admin.utils import unquote
from django.forms.fields import InvalidJSONInput
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from celeriac.console.admin.jobs.verbs import ReasonForm, act
from celeriac.console.readonly import ReadOnlyAdmin, uuid_or_404
from celeriac.jobs import registry
from celeriac.jobs.enqueueing.draft import checked_args
from celeriac.jobs.errors import InvalidArgs
from celeriac.jobs.models import Job
from celeriac.jobs.models.job import MAX_PRIORITY, MIN_PRIORITY
from celeriac.jobs.operating import edit as editing, masks, operate
from celeriac.jobs.redacting import MASK
from celeriac.jobs.states import State
from celeriac.settings import conf


class PriorityForm(ReasonForm):
    """How urgent, and why."""

    priority = forms.IntegerField(
        min_value=MIN_PRIORITY,
        max_value=MAX_PRIORITY,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=f"{MIN_PRIORITY} to {MAX_PRIORITY}; higher runs first.",
    )
    field_order = ("priority", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 Django's
        super().__init__(*args, **kwargs)
        job = found(self.object_id)
        self.fields["priority"].initial = job.priority if job else 0


class QueueForm(ReasonForm):
    """Where to, and why."""

    queue = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    field_order = ("queue", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 Django's
        super().__init__(*args, **kwargs)
        job = found(self.object_id)
        field = self.fields["queue"]
        field.choices = [(name, name) for name in sorted(conf.QUEUES)]
        field.initial = job.queue if job else None


class ArgumentsField(forms.JSONField):
    """JSON that a job's row can hold."""

    def to_python(self, value: Any) -> Any:  # noqa: ANN401 any JSON value
        """Return the value; one that is nested beyond reading is no JSON."""
        try:
            return super().to_python(value)
        except RecursionError as error:
            raise forms.ValidationError("It is nested too deeply.") from error

    def bound_data(self, data: Any, initial: Any) -> Any:  # noqa: ANN401 any JSON value
        """Return what the form shows again: what could not be read, as it was typed."""
        try:
            return super().bound_data(data, initial)
        except RecursionError:
            return InvalidJSONInput(data)


class EditForm(ReasonForm):
    """Other arguments, and why."""

    args = ArgumentsField(
        label="Arguments",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 10, "spellcheck": "false"}),
        help_text=f"JSON. Secrets are shown as {MASK}: left so, they stay as they are.",
    )
    field_order = ("args", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 Django's
        super().__init__(*args, **kwargs)
        job = found(self.object_id)
        kind = registry.get(job.kind) if job else None
        field = self.fields["args"]
        field.encoder = _Readable
        if job is not None and kind is not None:
            field.initial = masks.masked(kind, job.args)
            takes = ", ".join(kind.schema.fields) or "no arguments"
            field.help_text = f"{kind.name} takes {takes}. {field.help_text}"
        else:
            field.disabled = True
            field.help_text = "This kind is not declared here, so nobody can check its arguments."

    def clean_args(self) -> dict[str, Any]:
        """Refuse what the kind refuses, here, where it can be put right."""
        value, job = self.cleaned_data["args"], found(self.object_id)
        kind = registry.get(job.kind) if job else None
        if not isinstance(value, dict):
            raise forms.ValidationError("Write an object: the handler's arguments by name.")
        if job is not None and kind is not None:
            try:
                checked_args(kind, masks.unmasked(kind, value, job.args))
            except InvalidArgs as error:
                lines = [f"{field}: {text}" for field, text in error.errors.items()]
                raise forms.ValidationError(lines or [error.message]) from error
        return value


class _Readable(json.JSONEncoder):
    """Indents, and leaves letters as they are."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 json's
        super().__init__(**(options | {"indent": 2, "ensure_ascii": False}))


class JobVerbs(ReadOnlyAdmin):
    """The dialogs, for the admin of jobs: list JOB_VERBS in its `actions_detail`."""

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:  # noqa: ANN401 unfold's
        """Leave out the buttons that the job's state would refuse."""
        job = found(unquote(str(object_id)))
        offered: list[Any] = super().get_actions_detail(request, object_id)
        prefix = f"{self.model._meta.app_label}_{self.model._meta.model_name}_"
        return [
            each
            for each in offered
            if job is None
            or job.state in SHOWN_IN.get(each.action_name.removeprefix(prefix), (job.state,))
        ]

    def has_run_now_permission(self, request: HttpRequest, object_id: Any = None) -> bool:  # noqa: ANN401 unfold's
        """Whether the user may make a job due now."""
        return request.user.has_perm("celeriac_jobs.run_job_now")

    def has_priority_permission(self, request: HttpRequest, object_id: Any = None) -> bool:  # noqa: ANN401 unfold's
        """Whether the user may change a job's priority."""
        return request.user.has_perm("celeriac_jobs.change_job_priority")

    def has_queue_permission(self, request: HttpRequest, object_id: Any = None) -> bool:  # noqa: ANN401 unfold's
        """Whether the user may move a job to another queue."""
        return request.user.has_perm("celeriac_jobs.change_job_queue")

    def has_edit_permission(self, request: HttpRequest, object_id: Any = None) -> bool:  # noqa: ANN401 unfold's
        """Whether the user may edit a job's arguments."""
        return request.user.has_perm("celeriac_jobs.edit_job_args")

    @action(
        description="Run now",
        permissions=["run_now"],
        url_path="run-now",
        dialog={
            "title": "Make this job due now",
            "description": "Its queue, circuit and lock still have their say.",
            "form_class": ReasonForm,
        },
    )
    def run_now(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        """Make it due now."""
        return _change(request, object_id, form, "Due now.", run_now=True)

    @action(
        description="Change priority",
        permissions=["priority"],
        url_path="priority",
        dialog={"title": "Change how urgent this job is", "form_class": PriorityForm},
    )
    def set_priority(
        self, request: HttpRequest, form: PriorityForm, object_id: str
    ) -> HttpResponse:
        """Change its priority."""
        value = form.cleaned_data["priority"]
        return _change(request, object_id, form, f"Its priority is {value} now.", priority=value)

    @action(
        description="Change queue",
        permissions=["queue"],
        url_path="queue",
        dialog={"title": "Move this job to another queue", "form_class": QueueForm},
    )
    def set_queue(self, request: HttpRequest, form: QueueForm, object_id: str) -> HttpResponse:
        """Move it."""
        value = form.cleaned_data["queue"]
        return _change(request, object_id, form, f"It waits in {value} now.", queue=value)

    @action(
        description="Edit arguments and retry",
        permissions=["edit"],
        url_path="edit",
        dialog={
            "title": "Edit the arguments and queue this job again",
            "description": "A job that still waits waits on. The audit trail keeps the old ones.",
            "form_class": EditForm,
        },
    )
    def edit_args(self, request: HttpRequest, form: EditForm, object_id: str) -> HttpResponse:
        """Edit its arguments and queue it again."""
        values = form.cleaned_data
        return act(
            request,
            _page(object_id),
            "Edited, and queued.",
            lambda: editing.edit(
                uuid_or_404(object_id),
                args=values["args"],
                actor=request.user,
                reason=values["reason"],
            ),
        )


#: For `actions_detail`.
JOB_VERBS = ("run_now", "set_priority", "set_queue", "edit_args")
#: Where each button of the job's page makes sense; the services have the last word.
SHOWN_IN: dict[str, tuple[State, ...]] = {
    "retry": (State.DEAD, State.CANCELLED),
    "cancel": (State.QUEUED, State.RUNNING),
    "run_now": (State.QUEUED,),
    "set_priority": (State.QUEUED,),
    "set_queue": (State.QUEUED,),
    "edit_args": editing.EDITABLE,
}


def found(object_id: object) -> Job | None:
    """Return the job of a dialog, or None for an id that is none."""
    try:
        return Job.objects.filter(pk=UUID(str(object_id))).first()
    except ValueError:
        return None


def _change(
    request: HttpRequest,
    object_id: str,
    form: ReasonForm,
    done: str,
    **changes: Any,  # noqa: ANN401 operate.change()'s
) -> HttpResponse:
    return act(
        request,
        _page(object_id),
        done,
        lambda: operate.change(
            uuid_or_404(object_id),
            actor=request.user,
            reason=form.cleaned_data["reason"],
            **changes,
        ),
    )


def _page(object_id: str) -> str:
    return reverse("admin:celeriac_jobs_job_change", args=[object_id])
