"""Celery's canvas of adopted tasks, as flows.

Celery's own classes take a canvas apart, as they do when it runs: the calls that they come to are
recorded in the place of messages, with stand-ins for what is not known yet. What follows a task
is asked for at once, where a worker would ask for it after a run. The calls become the parts of
one flow, in one transaction.
"""
