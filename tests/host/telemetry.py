"""What the project has initialised itself, and what a process finds of it."""

import json
import logging
import os
from pathlib import Path

import sentry_sdk
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from sentry_sdk.transport import Transport

from tests.support.host_expected import LEVELS

FOLDER = Path(os.environ["HOST_FOLDER"])


def write(kind, facts):
    """Add a line of JSON to what was kept of that kind."""
    with (FOLDER / f"{kind}.jsonl").open("a") as file:
        file.write(json.dumps(facts, default=str) + "\n")


class KeptEvents(Transport):
    """Keeps Sentry's events in a file."""

    def capture_envelope(self, envelope):
        """Keep the events of an envelope."""
        for item in envelope.items:
            if item.type == "event":
                write("events", item.payload.json)


class KeptSpans(SpanExporter):
    """Keeps spans in a file."""

    def export(self, spans):
        """Keep the spans' names and traces."""
        for span in spans:
            parent = span.parent and f"{span.parent.span_id:016x}"
            facts = {"name": span.name, "trace": f"{span.context.trace_id:032x}"}
            write("spans", facts | {"span": f"{span.context.span_id:016x}", "parent": parent})
        return SpanExportResult.SUCCESS


class KeptLines(logging.Handler):
    """Keeps lines of the log in a file."""

    def emit(self, record):
        """Keep one."""
        write("lines", {"logger": record.name, "text": record.getMessage()})


def before_send(event, hint):
    """Sign the event."""
    event.setdefault("tags", {})["signed"] = "host"
    return event


PROVIDER = TracerProvider()
PROVIDER.add_span_processor(SimpleSpanProcessor(KeptSpans()))
CLIENT = None


def begin():
    """Initialise everything, as a project does in its settings."""
    global CLIENT
    trace.set_tracer_provider(PROVIDER)
    sentry_sdk.init(
        "http://public@127.0.0.1:9/1",
        transport=KeptEvents,
        before_send=before_send,
        environment="host",
        max_breadcrumbs=7,
        default_integrations=False,
    )
    CLIENT = sentry_sdk.get_client()


def found():
    """Return what this process finds of it."""
    options = sentry_sdk.get_client().options
    root = logging.getLogger()
    return {
        "sentry": sentry_sdk.get_client() is CLIENT,
        "options": [options["environment"], options["max_breadcrumbs"]],
        "before_send": options["before_send"] is before_send,
        "provider": trace.get_tracer_provider() is PROVIDER,
        "handlers": [type(each).__name__ for each in root.handlers],
        "filters": [str(each) for handler in root.handlers for each in handler.filters],
        "root": logging.getLevelName(root.level),
        "levels": [logging.getLevelName(logging.getLogger(name).level) for name in LEVELS],
    }
