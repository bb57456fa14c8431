"""Tenants, in the shared schema."""

from django.db import models
from django_tenants.models import DomainMixin, TenantMixin


class Shop(TenantMixin):
    """A tenant."""

    title = models.TextField()
    auto_create_schema = True

    def __str__(self):
        return self.title


class Domain(DomainMixin):
    """Where a tenant is reached."""
