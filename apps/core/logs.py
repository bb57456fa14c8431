"""Log lines as JSON, one object each, with what joins them to a request, a job and a trace."""

import json
import logging
from datetime import UTC, datetime

from apps.core import context, tracing


class JsonFormatter(logging.Formatter):
    """Writes time, level, logger, message, the bound context, the trace and the error."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = context.current() | {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if trace := tracing.trace_id():
            line["trace_id"] = trace
        if record.exc_text:  # secrets were masked in it
            line["error"] = record.exc_text
        elif record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, ensure_ascii=False)
