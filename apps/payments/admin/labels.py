"""How states look."""

STATES = {
    "pending": "info",
    "submitted": "info",
    "unknown": "warning",
    "succeeded": "success",
    "declined": "danger",
    "cancelled": "warning",
}
