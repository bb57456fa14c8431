"""Hard limits on a loop: what the loop kept waiting is not charged, nor who is next there.

A small world of its own, in steps of single reads. Job A waits for another, until that is there or
for ever; B takes the loop, for a moment or for longer; C's steps are short. The loop beats when it
goes round. The parent's monitor reads the beat and whose step it is, A's record, and those again.
"""

from dataclasses import dataclass
from typing import NamedTuple

from tests.model.explore import STUCK

WRONGED = "6 at a hard limit on a loop, who was kept waiting is not charged"


class Verdict(NamedTuple):
    """How loop and monitor make sure; every default is the design."""

    ends_with_a_beat: bool = True  # a step that has blocked the loop; first others' limits move
    waits_for_a_round: bool = True  # A is overdue once the loop has gone round after its limit
    reads_beat_first: bool = True  # and A's record is younger than that beat
    looks_twice: bool = True  # a blocker has the same step before and after, without a beat
    needs_silence: bool = True  # whose step it is has blocked the loop only if that has not beaten
    judges_silence: bool = True  # a loop that beats no more waits for no round


DESIGN = Verdict()
#: Whose step it is.
NOBODY, B, C = 0, 1, 2
#: How far A has come.
WAITS, READY, ENDED = 0, 1, 2


class Now(NamedTuple):
    """Everything at one instant."""

    a: int = WAITS
    is_over: bool = False  # A's limit
    in_time: bool = False  # ghost: A was ready before that
    turn: int = NOBODY
    silent: bool = False  # the last beat is long ago
    beats: int = 0  # since A's limit; two are a round
    first: tuple = ()  # turn, silent and beats as the monitor read them before A's record
    beaten: bool = False  # since then
    read: bool = False  # A's record: it runs, and is past its limit
    old: bool = False  # that limit has moved since
    charged: str = ""


@dataclass(frozen=True)
class Loop:
    """A configuration."""

    name: str = "loop"
    rules: Verdict = DESIGN

    @property
    def bound(self):
        """The bound in words."""
        return "1 loop, 3 jobs, 1 monitor"

    @property
    def initial(self):
        """A waits, and the loop goes round."""
        return Now()

    def moves(self, now):
        """Yield (label, world after, fair)."""
        if now.charged or now.a == ENDED:
            return
        yield from _loop(now, self.rules)
        yield from _monitor(now, self.rules)
        if not now.is_over:
            late = now._replace(is_over=True, in_time=now.a == READY, beats=0)
            yield "A's limit passes", late, True
            if now.a == WAITS:
                yield "what A waits for is there", now._replace(a=READY), False

    def broken(self, now):
        """Return the invariant that `now` breaks, or nothing."""
        wronged = now.charged == "C" or (now.charged == "A" and now.in_time)
        short = now.charged == "B" and not now.silent
        early = now.charged and not now.is_over
        return WRONGED if wronged or short or early else ""

    def done(self, now):
        """Return whether A has ended, or somebody was charged."""
        return bool(now.charged) or now.a == ENDED


def _loop(now, rules):
    if now.turn == NOBODY:
        yield "B takes the loop", now._replace(turn=B), False
        yield "C takes the loop", now._replace(turn=C), False
        if now.a == READY:
            yield "A goes on, and ends", now._replace(a=ENDED), True
        # Whoever is ready has its turn before the loop beats twice.
        if now.beats < 1 or now.a != READY:
            beats = min(2, now.beats + now.is_over)
            yield "the loop beats", now._replace(silent=False, beats=beats, beaten=True), True
        return
    if now.turn == B and not now.silent:
        yield "B holds the loop for long", now._replace(silent=True), False
    if now.turn == B and now.silent:
        # A's limit is later by as much, and the beat one before that.
        ended = now._replace(turn=NOBODY, is_over=False, in_time=False, beats=0, old=now.read)
        if now.first:  # what was read of the beat is one before that new limit, too
            ended = ended._replace(first=(*now.first[:2], 0))
        beaten = ended._replace(silent=False, beaten=True)
        yield "B's step ends", beaten if rules.ends_with_a_beat else ended, False
    else:
        yield "a step ends", now._replace(turn=NOBODY), True


def _monitor(now, rules):
    if not now.first:
        seen = (now.turn, now.silent, now.beats)
        yield "the monitor reads turn and beat", now._replace(first=seen, beaten=False), True
    elif not now.read and now.is_over:
        yield "the monitor reads that A is past its limit", now._replace(read=True), True
    elif now.read:
        charged = _verdict(now, rules)
        then = now._replace(first=(), read=False, old=False, beaten=False, charged=charged)
        yield f"the monitor's verdict: {charged or 'none'}", then, True


def _verdict(now, rules):
    """Return who is charged, by what is read now and was read before."""
    turn, silent, beats = now.first
    if not rules.looks_twice:
        turn, silent = now.turn, now.silent
    same = (turn, silent) == (now.turn, now.silent) and not (now.beaten and rules.looks_twice)
    if same and (silent or not rules.needs_silence) and rules.judges_silence:
        return ("A", "B", "C")[turn]
    if not rules.reads_beat_first:
        beats = 2 if now.old and now.beaten else now.beats  # against the limit that was read
    return "A" if beats > 1 or not rules.waits_for_a_round else ""


def _without(rule):
    return DESIGN._replace(**{rule: False})


#: Each with where it is caught.
MUTANTS = (
    (
        Loop("a step that blocked the loop ends without a beat", _without("ends_with_a_beat")),
        WRONGED,
    ),
    (Loop("a limit on a loop waits for no round of it", _without("waits_for_a_round")), WRONGED),
    (Loop("a beat is younger than the limit it is held to", _without("reads_beat_first")), WRONGED),
    (Loop("whose step it is, is read once", _without("looks_twice")), WRONGED),
    (Loop("whose step it is has blocked the loop", _without("needs_silence")), WRONGED),
    (Loop("a loop that is blocked for ever is waited for", _without("judges_silence")), STUCK),
)
