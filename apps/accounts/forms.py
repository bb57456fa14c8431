"""The forms of people and groups: what the person at the screen does not hold is refused."""

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.models import Group, Permission
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest
from unfold.forms import (
    AdminOwnPasswordChangeForm,
    AdminPasswordChangeForm,
    AuthenticationForm,
    UserChangeForm,
)

from apps.accounts import permissions
from celeriac import ROLES, ReasonRequired


class SignInForm(AuthenticationForm):  # type: ignore[misc]  # unfold ships no types
    """The admin's; whoever it does not let in has failed, a right password or not."""

    def confirm_login_allowed(self, user: Any) -> None:
        """Refuse who is no staff as anybody else: counted and written down."""
        try:
            super().confirm_login_allowed(user)
        except forms.ValidationError:
            user_login_failed.send(
                sender=__name__, credentials={"username": user.get_username()}, request=self.request
            )
            raise


class UserForm(UserChangeForm):  # type: ignore[misc]  # unfold ships no types
    """A person; `actor` is who changes her."""

    actor: Any = None

    def clean_groups(self) -> Any:
        """Refuse groups that give more than the actor holds, whether added or taken away."""
        return _unchanged(self, "groups", permissions.groups_not_held)

    def clean_user_permissions(self) -> Any:
        """Refuse permissions that the actor does not hold, whether added or taken away."""
        return _unchanged(self, "user_permissions", permissions.permissions_not_held)


class GroupForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """A group; `actor` is who changes it."""

    actor: Any = None

    class Meta:
        model = Group
        fields = ("name", "permissions")

    def clean_name(self) -> str:
        """Refuse a name that would be given permissions by itself."""
        name: str = self.cleaned_data["name"]
        is_taken_up = name in ROLES and name != self.initial.get("name")
        if is_taken_up and not self.actor.is_superuser:
            raise forms.ValidationError(
                f"Releases give new permissions to the group {name}: ask a superuser."
            )
        return name

    def clean_permissions(self) -> Any:
        """Refuse permissions that the actor does not hold, whether added or taken away."""
        return _unchanged(self, "permissions", permissions.permissions_not_held)


class PasswordForm(ReasonRequired, AdminPasswordChangeForm):  # type: ignore[misc]  # unfold ships no types
    """Another person's new password."""

    field_order = ("password1", "password2", "usable_password", "reason")


class OwnPasswordForm(ReasonRequired, AdminOwnPasswordChangeForm):  # type: ignore[misc]  # unfold ships no types
    """One's own new password."""

    field_order = ("old_password", "new_password1", "new_password2", "reason")

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request

    def clean_old_password(self) -> str:
        """Refuse a wrong one, counted as a failed sign-in: whoever sits there may only guess."""
        given: str = self.cleaned_data["old_password"]
        name = self.user.get_username()
        if authenticate(self._request, username=name, password=given) != self.user:
            raise forms.ValidationError(
                self.error_messages["password_incorrect"], code="password_incorrect"
            )
        return given


def _unchanged(form: Any, name: str, lacking: Callable[[Any, Iterable[Any]], list[Any]]) -> Any:
    """Return what was chosen; raises where it adds or takes what the actor does not hold."""
    chosen = form.cleaned_data[name]
    before = set(getattr(form.instance, name).all()) if _is_saved(form.instance) else set()
    moved: list[Group | Permission] = sorted(before ^ set(chosen), key=str)
    if lacked := lacking(form.actor, moved):
        names = ", ".join(str(each) for each in lacked[:5])
        raise forms.ValidationError(
            f"You may neither give nor take what you do not hold yourself: {names}."
        )
    return chosen


def _is_saved(instance: Any) -> bool:
    return not instance._state.adding
