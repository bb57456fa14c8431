"""The engine's own kinds: keeping the house, callbacks, bulk actions, what schedules send."""
