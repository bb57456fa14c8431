"""Dispatching: due jobs are admitted and rung for; lost ones are rescued."""
