"""The fields of a schedule's page, and their order."""

from typing import Any

#: For people who may change it.
EDITED: tuple[tuple[str | None, dict[str, Any]], ...] = (
    (None, {"fields": ("name", "task", "kwargs", "arguments", "enabled", "description", "seen")}),
    (
        "When",
        {
            "description": "Fill in one of the four: a crontab, an interval, a moment, the sun.",
            "fields": (
                ("cron", "zone"),
                ("every", "period"),
                "at",
                "solar",
                "next_fires",
                ("start_time", "expires"),
                "one_off",
            ),
        },
    ),
    (
        "Policy",
        {
            "fields": (
                ("misfire", "misfire_grace", "misfire_limit"),
                ("overlap", "deadline", "jitter"),
                "pause_note",
            )
        },
    ),
    ("Job", {"fields": (("queue", "priority"), "args", "expire_seconds")}),
    ("So far", {"fields": (("last_run_at", "total_run_count"),)}),
)
#: For people who may only look.
SHOWN: tuple[tuple[str | None, dict[str, Any]], ...] = (
    (None, {"fields": ("name", "task", "shown_kwargs", "enabled", "description")}),
    ("When", {"fields": ("shown_schedule", "next_fires", "start_time", "expires", "one_off")}),
    ("Policy", {"fields": ("policy_note", "pause_note")}),
    ("Job", {"fields": ("queue", "priority", "shown_args", "expire_seconds")}),
    ("So far", {"fields": ("last_run_at", "total_run_count")}),
)
