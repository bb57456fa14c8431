"""People who sign in."""

import uuid
from typing import Any, ClassVar

from axes.models import AccessAttempt
from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower

from celeriac import EditedModel


class UserManager(BaseUserManager["User"]):
    """Makes users by their email address."""

    use_in_migrations = True

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user; without a password it can't sign in."""
        if not email:
            raise ValueError("A user needs an email address.")
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user who may do everything."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(EditedModel, AbstractUser):
    """A person, known by an email address."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = None  # date_joined says it
    username = None  # type: ignore[assignment]  # the email address takes its place
    email = models.EmailField("email address", unique=True)

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]  # ours takes an email

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_any_case")]

    def __str__(self) -> str:
        return self.email


class FailedSignIn(AccessAttempt):  # type: ignore[misc]  # axes ships no types
    """Wrong passwords for one account from one address, as django-axes counts them."""

    class Meta:
        proxy = True
        verbose_name = "failed sign-in"
        default_permissions = ("view",)
        permissions = [("unlock_sign_in", "Can unlock accounts and addresses")]

    def __str__(self) -> str:
        return f"{self.username} from {self.ip_address or 'an unknown address'}"
