"""Inside a project that moved in: say as JSON which jobs its database has."""

import json

import django

django.setup()

from celeriac.jobs.models import Job  # noqa: E402 a project's apps come first

FIELDS = ("id", "kind", "state", "queue", "attempt", "enqueued_by")
print("SAID " + json.dumps(list(Job.objects.order_by("id").values_list(*FIELDS)), default=str))
