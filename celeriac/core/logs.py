"""Log lines: JSON for machines, or plain; none holds a character that forges or hides another."""

import json
import logging
from datetime import UTC, datetime

from celeriac.core import context, tracing

#: Controls (C0, DEL, C1), ends of lines and paragraphs, and what turns the direction of text.
_CONTROLS = (
    *range(0x20),
    *range(0x7F, 0xA0),
    *(0x061C, 0x200E, 0x200F, 0x2028, 0x2029),
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
)
_ESCAPED = {code: f"\\u{code:04x}" for code in _CONTROLS} | {9: "\\t", 10: "\\n", 13: "\\r"}


class LineFormatter(logging.Formatter):
    """Writes a line for people; what it quotes can neither end it nor move the cursor."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and below it, indented, the error that it is about."""
        record.message = record.getMessage()
        record.asctime = self.formatTime(record, self.datefmt)
        lines = [self.formatMessage(record).translate(_ESCAPED)]
        error = record.exc_text or (record.exc_info and self.formatException(record.exc_info))
        for text in filter(None, (error, record.stack_info)):
            lines += [f"  {each.translate(_ESCAPED)}" for each in str(text).split("\n")]
        return "\n".join(lines)


class JsonFormatter(logging.Formatter):
    """Writes time, level, logger, message, the bound context, the trace and the error."""

    def format(self, record: logging.LogRecord) -> str:
        line = context.bound_values() | {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if trace := tracing.trace_id():
            line["trace_id"] = trace
        if record.exc_text:  # secrets were redacted in it
            line["error"] = record.exc_text
        elif record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, ensure_ascii=False).translate(_ESCAPED)
