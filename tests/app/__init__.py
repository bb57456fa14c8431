"""A Django app that only tests install: a table for the effects of their handlers."""
