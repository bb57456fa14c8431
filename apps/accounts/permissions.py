"""Who may change whom: nobody grants, takes or comes by what she does not hold herself."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, Permission

from apps.accounts.models import User


def may_change_user(actor: Any, user: User) -> bool:
    """Return whether `actor` holds all that the person holds; a superuser is for superusers.

    Whoever can set a person's password or address can be that person, and whoever
    switches her off takes what she holds.
    """
    if actor.is_superuser:
        return True
    return not user.is_superuser and _labels(_held_by(user)) <= actor.get_all_permissions()


def may_change_group(actor: Any, group: Group) -> bool:
    """Return whether `actor` holds all that the group gives, and no superuser is in it."""
    if actor.is_superuser:
        return True
    if User.objects.filter(groups=group, is_superuser=True).exists():
        return False
    return holds_permissions(actor, group.permissions.all())


def holds_permissions(actor: Any, permissions: Iterable[Permission]) -> bool:
    """Return whether `actor` has every one of these permissions."""
    return bool(actor.is_superuser) or _labels(permissions) <= actor.get_all_permissions()


def permissions_not_held(actor: Any, permissions: Iterable[Permission]) -> list[Permission]:
    """Return those of the permissions that `actor` does not have."""
    return [each for each in permissions if not holds_permissions(actor, [each])]


def groups_not_held(actor: Any, groups: Iterable[Group]) -> list[Group]:
    """Return those of the groups that give what `actor` does not have."""
    return [each for each in groups if not holds_permissions(actor, each.permissions.all())]


def _held_by(user: User) -> Iterable[Permission]:
    """Return what the person was given, also while she is switched off."""
    own = Permission.objects.filter(user=user)
    return (own | Permission.objects.filter(group__user=user)).distinct()


def _labels(permissions: Iterable[Permission]) -> set[str]:
    found = permissions
    if hasattr(found, "select_related"):
        found = found.select_related("content_type")
    return {f"{each.content_type.app_label}.{each.codename}" for each in found}
