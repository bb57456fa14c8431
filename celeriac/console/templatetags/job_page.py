"""Times and spans as a job's page says them."""

from datetime import UTC, datetime

from django import template

from celeriac.jobs import phrases

register = template.Library()


@register.filter
def moment(value: datetime) -> str:
    """Return a moment in UTC, to the millisecond."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]


@register.filter
def span(seconds: float) -> str:
    """Return a time span as people say it."""
    return phrases.span(seconds)
