"""What may be granted about Flower. It keeps no rows."""

from django.db import models


class Flower(models.Model):
    """Holds the permission to see Flower."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [("view_flower", "Can see Flower")]

    def __str__(self) -> str:
        return "Flower"
