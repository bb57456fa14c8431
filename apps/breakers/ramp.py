"""The ramp after closing: parked jobs leave one by one, faster each second."""

from django.db import connection

from apps.breakers import sql
from apps.breakers.selectors import admission


def take_place(name: str) -> float:
    """Take the next place in the ramp of breaker `name`; return the seconds to wait for one.

    0 means: go now. It always is while no ramp runs, which costs one query; during
    a ramp it is one more, which locks the breaker's row until the caller commits.
    """
    rate = admission([name])[name].ramp_per_second
    if rate is None:
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute(sql.TAKE_PLACE, [1.0 / rate, name])
        if cursor.fetchone():
            return 0.0
        cursor.execute(sql.NEXT_PLACE, [name])
        row = cursor.fetchone()
    # The row may have been taken by another between the two statements.
    return max(float(row[0]) if row else 0.0, 0.5 / rate)
