"""The engine's own kinds: maintenance, callbacks, bulk actions, what schedules send."""
