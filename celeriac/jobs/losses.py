"""What may take a run's process, so that nobody can say how the run ended. Pure: no Django."""

from enum import StrEnum


class Loss(StrEnum):
    """What took a run's process along; a kind says after which of them a run may happen again."""

    #: Its own process ended, and its worker lived on.
    CHILD = "child"
    #: Its whole worker is gone: killed, silent, or stopped before the run had ended.
    WORKER = "worker"
    #: Its worker ended its process at its hard limit.
    OVERRUN = "overrun"


#: After any of them: what a kind of the ledger says unless it is told otherwise.
ANY_LOSS = frozenset(Loss)
#: Jobs in a doorbell of a kind that is not run again after the loss of its worker: where a host is
#: lost nobody can say which of a claim's jobs had begun.
FEW = 4
