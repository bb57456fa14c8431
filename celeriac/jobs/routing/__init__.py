"""Which calls of the project's own tasks are jobs now: orders that no deploy is needed for."""
