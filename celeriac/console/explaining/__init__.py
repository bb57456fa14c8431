"""Why is it not running, why did it die, and what to do: a job for people.

`gather` reads the facts in a few queries; `queued`, `running` and `ended` make reasons of
them and touch nothing; other apps add what only they know (`job_pages`); `explain` puts
it together, and `timeline` tells what happened when.
"""
