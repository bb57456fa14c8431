"""One run of a campaign: for some seconds, as many messages as its rate admits."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.core.mail import EmailMultiAlternatives

from apps.notifications.delivery import Accepted, MailConnection, Refused, deliver_message
from apps.notifications.errors import MailNotSent, MailOutcomeUnknown
from apps.notifications.models import Campaign, Recipient
from apps.notifications.render import render_recipient
from apps.notifications.selectors import campaign_counts
from apps.notifications.services.campaign_turns import (
    Over,
    RecipientOutcomes,
    Turn,
    Wait,
    next_turn,
    take_over,
)
from apps.notifications.states import Delivery
from celeriac import CircuitOpen, TimeLimitExceeded

#: Seconds after which a run lets other jobs have its worker.
RUN_SECONDS = 10.0
#: The longest pause for the rate that a run makes itself; a longer one is the ledger's, in seconds.
SHORT = 0.25
#: Seconds to wait for a server that takes nothing, and after so many troubles on end.
PATIENCE, TROUBLES = 5.0, 3
#: The least wait for a circuit, in seconds.
LEAST = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """How a run ended: `wait` is None when no other run shall follow."""

    counts: dict[str, int]
    wait: float | None = None
    reason: str = ""


def campaign_run(
    *,
    campaign_id: UUID,
    tell: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
    seconds: float = RUN_SECONDS,
) -> Progress:
    """Send a campaign's messages for about `seconds`, and return how far it is.

    Any number of runs may follow each other, or meet: nobody is sent to twice. `tell` gets how
    many recipients are settled, and of how many. Raises CampaignNotFound.
    """
    taken = take_over(campaign_id)
    if taken is None:
        return Progress(campaign_counts(campaign_id))
    campaign, run = taken
    done = campaign.total - campaign_counts(campaign_id)[Delivery.PENDING]
    with MailConnection() as line:
        sender = _Sender(campaign, run, line, done)
        ending = sender.work(time.monotonic() + seconds, tell, should_stop)
    counts = campaign_counts(campaign_id)
    return Progress(counts, *((ending.seconds, ending.reason) if ending else ()))


@dataclass(slots=True)
class _Sender:
    campaign: Campaign
    run: UUID
    line: MailConnection
    done: int
    troubles: int = 0

    def work(
        self, until: float, tell: Callable[[int, int], None], should_stop: Callable[[], bool]
    ) -> Wait | None:
        """Send until time is up or nothing is left; return what the next run waits for."""
        while not should_stop():
            if time.monotonic() > until:
                return Wait(0.0, "other jobs' turn")
            step = next_turn(self.campaign.id, self.run)
            if isinstance(step, Over):
                return None
            wait = self._send(step.recipient) if isinstance(step, Turn) else step
            if wait is not None and wait.seconds > SHORT:
                return wait
            if wait is not None:
                time.sleep(wait.seconds)
            tell(self.done, self.campaign.total)
        return None

    def _send(self, recipient: Recipient | None) -> Wait | None:
        """Send to one recipient and write down what became of it."""
        if recipient is None:
            self.done += 1
            return None
        answers = RecipientOutcomes(recipient, self.run)
        was_used = self.line.used
        try:
            answer = deliver_message(self._message(recipient), self.line)
        except _Unfit as error:
            return self._note(answers.refused, str(error), trouble=True)
        except CircuitOpen as error:
            answers.not_sent(error.message)
            return Wait(max(error.retry_after, LEAST), f"the circuit {error.name!r} is open")
        except MailNotSent as error:
            answers.not_sent(error.message)
            # A server may close a connection between two messages; a new one shall tell.
            return None if was_used else Wait(error.retry_after or PATIENCE, error.message[:200])
        except MailOutcomeUnknown as error:
            self.done += 1
            return self._note(answers.unknown, error.message, trouble=True)
        return self._answered(answers, answer)

    def _answered(self, answers: RecipientOutcomes, answer: Accepted | Refused) -> Wait | None:
        if isinstance(answer, Accepted):
            self.done += 1
            return self._note(answers.accepted, answer.provider_id, trouble=False)
        if answer.for_good:
            self.done += 1
            return self._note(answers.failed, answer.reason, trouble=False)
        return self._note(answers.refused, answer.reason, trouble=True)

    def _note(self, write: Callable[[str], None], text: str, *, trouble: bool) -> Wait | None:
        write(text)
        self.troubles = self.troubles + 1 if trouble else 0
        if self.troubles < TROUBLES:
            return None
        return Wait(PATIENCE, f"{self.troubles} troubles on end: {text}"[:200])

    def _message(self, recipient: Recipient) -> EmailMultiAlternatives:
        """Return the message; raises _Unfit for one whose template fails for this recipient."""
        try:
            return render_recipient(self.campaign, recipient)
        except TimeLimitExceeded:
            raise
        except Exception as error:
            raise _Unfit(f"{type(error).__name__}: {error}") from error


class _Unfit(Exception):
    """The message could not be written."""
