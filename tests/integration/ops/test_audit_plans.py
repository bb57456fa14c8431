"""What the audit trail costs to read where bulk actions moved very many."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from celeriac.core import audit

pytestmark = pytest.mark.django_db

FILL = """
INSERT INTO celeriac_core_auditbatch (audit_id, targets)
SELECT %s, ARRAY(SELECT new_id() FROM generate_series(1, 500) WHERE batch > 0)
FROM generate_series(1, 300) batch
"""
_HEARD = (
    "UPDATE pg_class SET relpages = 0, reltuples = {} "
    "WHERE oid = 'celeriac_core_auditbatch'::regclass"
)
#: What the planner last heard of the table, whatever autovacuum told it meanwhile.
HEARD = {
    "nothing": _HEARD.format(-1),
    "it was empty": _HEARD.format(0),
    "all": "ANALYZE celeriac_core_auditbatch",
}


@pytest.mark.parametrize("heard", HEARD)
def test_who_moved_a_job_is_found_by_index_whatever_was_moved(heard):
    """Arrays kept out of the row would make a large table look small enough to read."""
    entry, job_id = audit.record(verb="job.retry", target_type="job", count=0), uuid4()
    with connection.cursor() as cursor:
        cursor.execute(FILL, [entry.pk])
        audit.record_batch(entry.pk, [job_id])
        cursor.execute(HEARD[heard])
        with CaptureQueriesContext(connection) as asked:
            assert [each.pk for each in audit.actions_on("job", job_id, most=10)] == [entry.pk]
        cursor.execute("EXPLAIN " + asked[-1]["sql"])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "celeriac_audit_batch_targets" in plan, plan
