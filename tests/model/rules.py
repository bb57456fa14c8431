"""What the protocol does at each point where it could do less; a mutant turns one off."""

from typing import NamedTuple


class Rules(NamedTuple):
    """The design's choices; every default is the design."""

    # enqueue
    in_transaction: bool = True  # the job is a row of the caller's own transaction
    rings_after_commit: bool = True  # and nothing is rung before that commits
    hit_locks: bool = True  # a unique hit locks the queued row until the caller commits
    hit_spares_running: bool = True  # a running job absorbs no new one
    hit_lifts_expiry: bool = True  # the hit's caller set no deadline: neither has the job now
    # dispatch
    rings_again: bool = True  # a job rung and still queued is rung again
    sweeps: bool = True  # due rows are found without a nudge too
    starts_empty: bool = True  # a new dispatcher takes nothing for rung
    expires_first_only: bool = True  # expires_at binds the first start only
    # the open line
    handed_after_commit: bool = True  # a job is put into a mailbox when it is committed
    handed_is_doubted: bool = True  # a dispatcher looks for it as if nobody had
    overflow_is_doubted: bool = True  # what lies there is rung again like any other
    overflow_is_taken_back: bool = True  # once not every slot is on the line
    hands_locks: bool = False  # a job with a lock goes through a dispatcher
    takes_place: str = "once"  # who puts a doorbell there; or "queues", "overwrites"
    renews_empty: bool = True  # a place is not offered anew over what lies in its mailbox
    offers_at_once: bool = True  # it looks for overflow and marks its place free in one step
    withdraws: bool = True  # who leaves does not leave a free place behind
    leaves_at_once: bool = True  # it withdraws its place and looks into its mailbox in one step
    places_expire: bool = True  # of children that are gone
    mail_is_claimed: bool = True  # as any doorbell is, before its job starts
    mail_checks_due: bool = True
    mail_checks_pause: bool = True
    # claim
    checks_state: bool = True  # it takes queued rows only
    checks_due: bool = True
    checks_pause: bool = True
    checks_alone: bool = True  # a job with losses is not taken from a doorbell of several
    lock_index: bool = True  # one running row per lock_key, by the database
    claims_durably: bool = True  # what may not happen again is claimed by a synchronous commit
    keeps_claim: bool = True  # one whose answer was lost, until the ledger says what became of it
    # run
    fence: str = "claim"  # or "attempt", "state", "none": what a write about a run must match
    verifies: bool = True  # an unstarted job is verified when the last look is too old
    slot_first: bool = True  # the slot says which job runs before it does
    joint_commit: bool = True  # a transactional handler's effect commits with its settle
    # settle
    superseded: bool = True  # back to queued only if the unique_key was not queued anew
    heir_lifts_expiry: bool = True  # what a superseded job leaves behind must run
    cancel_overtakes: bool = True  # every ending but complete becomes cancelled, if asked
    release_is_free: bool = True  # what never started is charged nothing
    loss_is_one: bool = True  # only the job that ran in a dead child is charged a loss
    outage_is_free: bool = True  # a run that lost the database is no failure of its handler
    cuts_end: bool = True  # unless it is one too many in a row that others did not meet
    # many jobs at once in a process
    claims_for_free_slots: bool = True  # as many as there are
    losses_run: str = "alone"  # in a process without neighbours; or "first", "beside"
    slot_opens_first: bool = True  # its part of the journal has the claim before that is made
    slot_closes_last: bool = True  # and until what ended there is settled
    told_is_kept: bool = True  # what the journal says has ended is settled so
    stale_is_apart: bool = True  # a result that is refused keeps no other from being written
    gathers_whole: bool = True  # results are settled together or not at all
    unfit_ends_itself: bool = True  # a process that can't settle waits for no doorbell
    notes_before_kill: bool = True  # whom a kill is for
    note_names_child: bool = True  # it holds though the noted run has ended meanwhile
    note_is_in_journal: bool = True  # it outlives the parent
    neighbours_go_free: bool = True  # of a run past its hard limit
    death_charges: str = "each"  # that ran, where no cause is known; or "one", "none"
    stop_is_free: bool = True  # who is killed at the end of a stop's grace is not charged
    # rescue
    rescues: bool = True  # a lost worker's claims are taken back
    counts_losses: bool = True  # and each is charged a loss, up to max_losses
    loss_is_no_failure: bool = True
    begins_once: bool = True  # what may not happen again is dead once it has begun and was lost
    tells_losses: bool = True  # the loss of a child from that of its whole worker
    # operate
    cancels_at_once: bool = True  # a cancel is one statement, whatever the state
    retry_keeps_attempt: bool = True


DESIGN = Rules()
