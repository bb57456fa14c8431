"""What the tests of verbs share."""

from urllib.parse import urlencode

from django.contrib.auth.models import Group
from django.urls import reverse

from celeriac.console.actions import groups
from tests.factories import JobFactory, UserFactory


def member(group, **fields):
    """Return a staff user of a group."""
    groups.fill_groups()
    user = UserFactory(is_staff=True, **fields)
    user.groups.add(Group.objects.get(name=group))
    return user


def dead_jobs(count, error="ValueError: no luck", **fields):
    """Make jobs that died of an error."""
    return JobFactory.create_batch(count, state="dead", error=error, **fields)


def apply_url(verb, **filter):
    """Return the address of a verb's preview."""
    query = urlencode(filter, doseq=True)
    return f"{reverse('admin:celeriac_console_bulkaction_apply', args=[verb])}?{query}"


def confirmation(client, url, chosen=None, **fields):
    """Open a preview and send its form, completed."""
    shown = client.post(url, {"_selected_action": chosen}) if chosen else client.get(url)
    form = shown.context["form"]
    data = {name: form[name].value() or "" for name in form.fields} | fields
    return client.post(url, data | ({"ids": chosen} if chosen else {}), follow=True)
