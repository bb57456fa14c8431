"""Running: a doorbell is claimed, its handlers run, their outcomes are settled."""
