"""The control room's own rows."""

from apps.ops.flower.models import Flower

__all__ = ["Flower"]
