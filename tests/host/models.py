"""People who are known by their badge: a UUID, no name, no address."""

import uuid

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models


class PersonManager(BaseUserManager):
    """Makes people in its own words."""

    def create_superuser(self, badge, password):
        """Make somebody who may do everything."""
        person = self.model(badge=badge, may_enter=True, is_superuser=True)
        person.set_password(password)
        person.save()
        return person

    def get_by_natural_key(self, badge):
        """Return who has the badge."""
        return self.get(badge=badge)


class Person(AbstractBaseUser, PermissionsMixin):
    """Somebody with a badge."""

    key = models.UUIDField(primary_key=True, default=uuid.uuid4)
    badge = models.CharField(max_length=20, unique=True)
    may_enter = models.BooleanField(default=False)

    USERNAME_FIELD = "badge"
    objects = PersonManager()

    def __str__(self):
        return f"badge {self.badge}"

    @property
    def is_staff(self):
        """Whether the admin lets them in."""
        return self.may_enter
