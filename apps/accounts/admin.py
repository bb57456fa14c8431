"""Users in the admin: known by their email address."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin, UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.forms import UserCreationForm

from apps.accounts import lockout, permissions
from apps.accounts.forms import GroupForm, PasswordForm, UserForm
from apps.accounts.models import FailedSignIn, User
from celeriac import AuditedAdmin, ReadOnlyAdmin, confirmed_action

admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(AuditedAdmin, BaseUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]  # unfold ships no types
    """Who may sign in, and what they may do."""

    form = UserForm
    add_form = UserCreationForm
    change_password_form = PasswordForm
    change_user_password_template = "admin/accounts/password.html"  # noqa: S105 a template
    ordering = ("email",)
    list_display = ("email", "first_name", "last_name", "is_active", "is_staff")
    search_fields = ("email", "first_name", "last_name")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        ("Person", {"fields": ("first_name", "last_name")}),
        (
            "May",
            {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
        ("When", {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "password1", "password2", "is_staff")}),
    )
    #: What of a person is no matter of the trail: the password's hash never, moments that pass.
    _untold: ClassVar[set[str]] = {"id", "password", "last_login", "date_joined"}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Let superusers alone make superusers."""
        fixed = ("last_login", "date_joined")
        return fixed if request.user.is_superuser else (*fixed, "is_superuser")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Whether the user may change that person, all that she holds considered."""
        may: bool = super().has_change_permission(request, obj)
        return may and (obj is None or permissions.may_change_user(request.user, obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Whether the user may delete that person, all that she holds considered."""
        may: bool = super().has_delete_permission(request, obj)
        return may and (obj is None or permissions.may_change_user(request.user, obj))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        """Set a person's password; the row is held while that is judged."""
        with transaction.atomic():
            answer: HttpResponse = super().user_change_password(request, unquote(id), form_url)
        return answer

    def audited_facts(self, obj: User) -> dict[str, Any]:
        """Write down who the person is and what she may do."""
        facts = super().audited_facts(obj)
        return {name: value for name, value in facts.items() if name not in self._untold} | {
            "groups": sorted(obj.groups.values_list("name", flat=True)),
            "permissions": sorted(obj.user_permissions.values_list("codename", flat=True)),
        }


@admin.register(Group)
class GroupAdmin(AuditedAdmin, BaseGroupAdmin, ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """Permissions by role."""

    form = GroupForm

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Whether the user may change that group, all that it gives considered."""
        may: bool = super().has_change_permission(request, obj)
        return may and (obj is None or permissions.may_change_group(request.user, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Whether the user may delete that group, all that it gives considered."""
        may: bool = super().has_delete_permission(request, obj)
        return may and (obj is None or permissions.may_change_group(request.user, obj))

    def audited_facts(self, obj: Group) -> dict[str, Any]:
        """Write down what the group may do."""
        codenames = sorted(obj.permissions.values_list("codename", flat=True))
        return {"name": obj.name, "permissions": codenames}


@admin.register(FailedSignIn)
class FailedSignInAdmin(ReadOnlyAdmin):
    """Who is locked out, or soon will be; what was typed besides the account is not kept."""

    list_display = ("username", "ip_address", "failures_since_start", "attempt_time")
    finds = ("username__startswith", "ip_address")
    search_help_text = (
        "An account's email address or its beginning, or the address that somebody tried from"
    )
    fields = list_display
    ordering = ("-pk",)
    actions = ("unlock_account", "unlock_address")

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        """Whether the user may let people try again."""
        return request.user.has_perm("accounts.unlock_sign_in")

    unlock_account = confirmed_action(
        description="Unlock the account, wherever it was tried from",
        permissions=["unlock"],
        title="Unlock accounts",
        done="Unlocked",
        service=lambda row, **said: lockout.unlock_failures(attempt=row, by="username", **said),
    )
    unlock_address = confirmed_action(
        description="Unlock the address, whoever was tried",
        permissions=["unlock"],
        title="Unlock addresses",
        done="Unlocked",
        service=lambda row, **said: lockout.unlock_failures(attempt=row, by="ip_address", **said),
    )
