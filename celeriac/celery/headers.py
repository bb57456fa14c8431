"""The header by which a message says what it is to the ledger."""

#: The header by which a message says what it is, and what it says in a doorbell and in one that
#: is to run as a plain task, though jobs of its name exist.
HEADER, DOORBELL, PLAIN = "celeriac", "doorbell", "plain"
#: The task of a canary: a doorbell for nobody, to one worker alone.
CANARY = "celeriac.canary"
