"""Service accounts in the admin: what each may do, its secrets, and their end."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import chain
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse

from celeriac.console.audited_admin import AuditedAdmin
from celeriac.console.readonly import ReadOnlyInline, action, display, uuid_or_404
from celeriac.console.sites import address, register, site_context
from celeriac.console.theme import (
    CheckboxSelectMultipleWidget,
    IntegerFieldWidget,
    ModelAdmin,
    TabularInline,
    TextareaWidget,
)
from celeriac.http import services
from celeriac.http.models import ACTED, VERBS, Grant, Secret, ServiceAccount

_TEMPLATE = "admin/celeriac_http/serviceaccount/secret.html"
MOST_HOURS = 24 * 30
#: What nobody writes.
_KEPT = ("generation", "created_at", "updated_at", "last_token_at")

#: What a person needs herself to let a program do it; nobody needs a right to enqueue but this.
NEEDED = {"read": "celeriac_jobs.view_job", **ACTED}


def lacking(actor: Any, verbs: Iterable[str]) -> list[str]:
    """Return those of the verbs that the person may not do herself."""
    return sorted({verb for verb in verbs if verb in NEEDED and not actor.has_perm(NEEDED[verb])})


class GrantForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """A grant, its verbs to be ticked; `actor` is who grants."""

    actor: Any = None
    verbs = forms.MultipleChoiceField(
        choices=[(verb, verb) for verb in VERBS], widget=CheckboxSelectMultipleWidget
    )

    class Meta:
        model = Grant
        fields = ("kinds", "queues", "verbs")

    def clean_verbs(self) -> list[str]:
        """Refuse what the actor may not do herself."""
        verbs: list[str] = self.cleaned_data["verbs"]
        if lacked := lacking(self.actor, verbs):
            raise forms.ValidationError(
                f"You may not grant what you may not do yourself: {', '.join(lacked)}."
            )
        return verbs


class GrantInline(TabularInline):  # type: ignore[misc]  # unfold ships no types
    """What the account may do."""

    model = Grant
    form = GrantForm
    extra = 0

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Let each form know who grants."""
        kwargs["form"] = type("GrantForm", (GrantForm,), {"actor": request.user})
        return super().get_formset(request, obj, **kwargs)


class SecretInline(ReadOnlyInline):
    """Which secrets it has: how each begins, and until when it works."""

    model = Secret
    fields = readonly_fields = ("hint", "created_at", "expires_at")


class AccountReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(widget=TextareaWidget(attrs={"rows": 2}))


class SecretForm(AccountReasonForm):
    """Why, and how long the secrets of before go on working."""

    overlap_hours = forms.IntegerField(
        min_value=0,
        max_value=MOST_HOURS,
        initial=0,
        widget=IntegerFieldWidget,
        help_text="How long older secrets go on working while the new one is rolled out.",
    )


@register(ServiceAccount)
class ServiceAccountAdmin(AuditedAdmin, ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """Accounts are switched off, never deleted: their jobs bear their names."""

    list_display = ("name", "description", "is_active", "granted", "created_at", "last_token_at")
    list_filter = ("is_active",)
    search_fields = ("name", "description")
    fields = ("name", "description", "is_active", "rate_per_minute", "jobs_per_minute", *_KEPT)
    inlines = (GrantInline, SecretInline)
    actions_detail = ("new_secret", "revoke")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("grants")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what nobody writes; the name only once."""
        return _KEPT if obj is None else ("name", *_KEPT)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user may change that account, all that it may do considered."""
        may: bool = super().has_change_permission(request, obj)
        return may and (obj is None or not _beyond(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_secret_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether the user may make secrets: whoever has one can do what the account may."""
        if not request.user.has_perm("celeriac_http.make_secret"):
            return False
        account = object_id and ServiceAccount.objects.filter(pk=uuid_or_404(object_id)).first()
        return not (account and _beyond(request, account))

    def has_revoke_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether the user may revoke tokens."""
        return request.user.has_perm("celeriac_http.revoke_tokens")

    @display(description="may")
    def granted(self, account: ServiceAccount) -> str:
        """Its grants, in a line."""
        return "; ".join(str(grant) for grant in account.grants.all()) or "nothing"

    def audited_name(self) -> str:
        """Return what the trail calls it."""
        return "service account"

    def audited_id(self, obj: ServiceAccount) -> str:
        """Return the name: its jobs bear it, too."""
        return obj.name

    def audited_facts(self, obj: ServiceAccount) -> dict[str, Any]:
        """Write down what the account may do."""
        facts = {name: getattr(obj, name) for name in ("name", "description", "is_active")}
        grants = [str(grant) for grant in Grant.objects.filter(account=obj)]
        rates = {"calls_per_minute": obj.rate_per_minute, "jobs_per_minute": obj.jobs_per_minute}
        return facts | rates | {"grants": grants}

    @action(description="New secret", url_path="secret", permissions=["secret"])
    def new_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, make a secret, and show it this once."""

        def make(account: ServiceAccount, values: dict[str, Any]) -> HttpResponse:
            overlap, reason = timedelta(hours=values["overlap_hours"]), values["reason"]
            secret = services.make_secret(
                account=account, overlap=overlap, actor=request.user, reason=reason
            )
            return self._page(request, account, secret=secret)

        return self._asked(request, object_id, SecretForm, "New secret", make)

    @action(description="Revoke tokens", url_path="revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and make its tokens worthless."""

        def end(account: ServiceAccount, values: dict[str, Any]) -> HttpResponse:
            services.revoke_tokens(account=account, actor=request.user, reason=values["reason"])
            messages.success(request, "Every token that it holds is refused from now on.")
            return HttpResponseRedirect(
                address("admin:celeriac_http_serviceaccount_change", account.pk)
            )

        return self._asked(request, object_id, AccountReasonForm, "Revoke tokens", end)

    def _asked(
        self,
        request: HttpRequest,
        object_id: str,
        form_class: type[AccountReasonForm],
        verb: str,
        act: Callable[[ServiceAccount, dict[str, Any]], HttpResponse],
    ) -> HttpResponse:
        account = get_object_or_404(ServiceAccount, pk=uuid_or_404(object_id))
        form = form_class(request.POST or None)
        if form.is_valid():
            return act(account, form.cleaned_data)
        return self._page(request, account, form=form, verb=verb)

    def _page(self, request: HttpRequest, account: ServiceAccount, **shown: Any) -> HttpResponse:
        context = {
            **site_context(request),
            "title": f"{shown.get('verb', 'The new secret')}: {account.name}",
            "opts": self.model._meta,
            "account": account,
            **shown,
        }
        return TemplateResponse(request, _TEMPLATE, context, headers={"Cache-Control": "no-store"})


def _beyond(request: HttpRequest, account: ServiceAccount) -> bool:
    """Return whether the account may do what the user may not."""
    verbs = Grant.objects.filter(account=account).values_list("verbs", flat=True)
    return bool(lacking(request.user, chain.from_iterable(verbs)))
