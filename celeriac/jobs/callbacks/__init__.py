"""Callbacks: who asked for it is told, by a signed POST, how a job ended."""
