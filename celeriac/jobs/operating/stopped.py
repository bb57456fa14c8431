"""Jobs that the stops of their workers cut short again and again: no deploy lets them end."""

from typing import Any

from celeriac.core import tables
from celeriac.core.queries import fetch_rows
from celeriac.jobs.states import TERMINAL

#: Stops in a row that are worth a word.
IN_A_ROW = 3
#: The newest attempts that are looked at, and the jobs that are named at most.
_NEWEST, _MOST = 2_000, 20

#: By the primary key of attempts, which is by time, and one probe for each job that was stopped.
_STOPPED = f"""
SELECT j.id, j.kind FROM (
    SELECT DISTINCT job_id FROM (
        SELECT job_id, outcome FROM {tables.ATTEMPT} ORDER BY id DESC LIMIT %(newest)s
    ) a WHERE outcome = 'stopped'
) found
JOIN {tables.JOB} j ON j.id = found.job_id AND j.state <> ALL (%(over)s)
WHERE (
    SELECT count(*) FILTER (WHERE outcome = 'stopped') FROM (
        SELECT outcome FROM {tables.ATTEMPT}
        WHERE job_id = j.id ORDER BY number DESC, id DESC LIMIT %(row)s
    ) latest
) = %(row)s
ORDER BY j.id LIMIT %(most)s
"""


def stopped_in_a_row() -> list[dict[str, Any]]:
    """Return the id and the kind of jobs whose last runs were each ended by a worker's stop."""
    asked = {"newest": _NEWEST, "row": IN_A_ROW, "most": _MOST, "over": sorted(TERMINAL)}
    return [{"id": str(row[0]), "kind": row[1]} for row in fetch_rows(_STOPPED, asked)]
