"""One's own new password, from the admin's header."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.views import PasswordChangeView
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from apps.accounts.forms import OwnPasswordForm
from celeriac import audit


class OwnPasswordView(PasswordChangeView):
    """Asks why, as every change of a person does."""

    form_class = OwnPasswordForm
    template_name = "admin/accounts/password.html"

    def get_form_kwargs(self) -> dict[str, Any]:
        """Let the form know where the old password is tried from."""
        return super().get_form_kwargs() | {"request": self.request}

    def form_valid(self, form: Any) -> HttpResponse:
        """Set it, and write down that it was."""
        with transaction.atomic():
            answer = super().form_valid(form)
            user: Any = self.request.user
            reason = form.cleaned_data["reason"]
            details = {"name": str(user), "changes": [{"changed": {"fields": ["Password"]}}]}
            audit.record("user.change", "user", user.pk, actor=user, reason=reason, details=details)
        return answer


def password_change(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
    """Stand in for the admin site's own view."""
    view = OwnPasswordView.as_view(
        success_url=reverse("admin:password_change_done"),
        extra_context={**admin.site.each_context(request), **(extra_context or {})},
    )
    return view(request)
