"""The sample app of celery_sample.py, moved to the ledger by changing its imports only."""

import re
from pathlib import Path

SOURCE = Path(__file__).with_name("celery_sample.py").read_text()
MOVED = re.sub(r"^from celery(\.\w+)? import", "from celeriac.celery import", SOURCE, flags=re.M)

exec(compile(MOVED, "moved celery_sample.py", "exec"))  # noqa: S102 a file of this folder
