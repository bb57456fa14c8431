"""Do the books balance? Pure arithmetic over what three parties wrote down independently."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from celeriac.jobs.states import TERMINAL
from sandbox.demo.statements import Mail, Order, Statements, Work

CAPTURE, SEND = "payments.capture", "notifications.send"
#: What an order's state asks of its payment.
PAYMENT_OF = {"paid": "succeeded", "declined": "declined"}


@dataclass(frozen=True, slots=True)
class Check:
    """One question to the statements: what was found, and each thing that is wrong."""

    question: str
    found: str
    problems: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def audit(books: Statements) -> list[Check]:
    """Ask every question."""
    return [question(books) for question in QUESTIONS]


def balances(checks: Iterable[Check]) -> bool:
    """Return whether every check passed."""
    return all(check.passed for check in checks)


def no_order_lost(books: Statements) -> Check:
    """Every order that a client was told of is in the ledger, and no other."""
    known = {order.id for order in books.orders}
    promised = set(books.promised)
    problems = [f"order {lost} was promised and is not there" for lost in promised - known]
    problems += [f"order {extra} was never promised" for extra in known - promised]
    if len(books.promised) != books.expected:
        problems.append(f"{len(books.promised)} orders were placed, not {books.expected}")
    return Check("every order placed is in the ledger", f"{len(known)} orders", problems)


def all_settled(books: Statements) -> Check:
    """Every order is paid or declined, and its payment agrees; nothing is left unknown."""
    states = Counter(order.state for order in books.orders)
    problems = [
        f"order {order.id} is {order.state}, its payment {order.payment_state}"
        for order in books.orders
        if PAYMENT_OF.get(order.state) != order.payment_state
    ]
    return Check("every order is paid or declined", _counts(states), problems)


def charged_once(books: Statements) -> Check:
    """The gateway charged each paid order once, with its amount, and nobody else."""
    taken: dict[str, list[int]] = defaultdict(list)
    for charge in books.charges:
        taken[charge.reference].append(charge.amount)
    owed = {o.reference: [o.amount] if o.state == "paid" else [] for o in books.orders}
    problems = [
        f"{reference} was charged {taken[reference] or 'nothing'}, owed {amounts or 'nothing'}"
        for reference, amounts in owed.items()
        if taken[reference] != amounts
    ]
    problems += [f"a charge for {who!r}, which is no order" for who in taken.keys() - owed.keys()]
    found = f"{len(books.charges)} charges of {sum(c.amount for c in books.charges) / 100:.2f}"
    return Check("one charge per paid order, none for others", found, problems)


def mailed_once(books: Statements) -> Check:
    """The sink holds one message per order, under its one Message-ID; copies are explained."""
    copies = Counter(delivery.message_id for delivery in books.deliveries)
    ids: dict[str, set[str]] = defaultdict(set)
    for delivery in books.deliveries:
        ids[delivery.reference].add(delivery.message_id)
    owed = {order.reference: _owed(order) for order in books.orders}
    problems = [
        problem
        for order in books.orders
        for problem in _mail_problems(order, owed[order.reference], ids[order.reference], copies)
    ]
    problems += [f"a mail about {who!r}, which is no order" for who in ids.keys() - owed.keys()]
    receipts = sum(o.receipt is not None and o.receipt.message_id in copies for o in books.orders)
    again = copies.total() - len(copies)
    return Check(
        "one receipt per paid order, by Message-ID",
        f"{receipts} receipts, {len(copies) - receipts} notices, {again} resent after unknown",
        problems,
    )


def no_job_lost(books: Statements) -> Check:
    """Every payment and every mail has its job, and every job has ended well."""
    kinds = defaultdict(set)
    for job in books.jobs:
        kinds[job.kind].add(job.about)
    mails = [mail for order in books.orders for mail in _mails(order)]
    problems = [
        f"order {order.id} has no {CAPTURE} job"
        for order in books.orders
        if order.payment_id not in kinds[CAPTURE]
    ]
    problems += [f"email {m.id} has no {SEND} job" for m in mails if m.id not in kinds[SEND]]
    problems += [_told(job) for job in books.jobs if job.state in TERMINAL - {"succeeded"}]
    return Check("no job lost", f"{len(books.jobs)} jobs", problems)


def none_left(books: Statements) -> Check:
    """Nothing is queued or running."""
    left = [job for job in books.jobs if job.state not in TERMINAL]
    found = _counts(Counter(job.state for job in books.jobs))
    return Check("no job left queued or running", found, [_told(job) for job in left])


def stale_refused(books: Statements) -> Check:
    """Writes of runs that had lost their claim were refused; any number is fine."""
    return Check("stale writes refused", str(books.stale_writes))


def went_to_its_end(books: Statements) -> Check:
    """Nothing broke but what was broken on purpose."""
    found = "no" if books.failures else "yes"
    return Check("the run came to its end", found, books.failures)


QUESTIONS: list[Callable[[Statements], Check]] = [
    no_order_lost,
    all_settled,
    charged_once,
    mailed_once,
    no_job_lost,
    none_left,
    stale_refused,
    went_to_its_end,
]


def _owed(order: Order) -> Mail | None:
    """Return the one mail that the order's state asks for."""
    return {"paid": order.receipt, "declined": order.notice}.get(order.state)


def _mail_problems(
    order: Order, mail: Mail | None, ids: set[str], copies: Counter[str]
) -> list[str]:
    if mail is None:
        return [f"order {order.id} is {order.state} and has no mail"]
    problems = []
    if ids != {mail.message_id}:
        problems.append(f"order {order.id}: the sink has {sorted(ids)}, not {mail.message_id}")
    if copies[mail.message_id] > 1 + mail.resends:
        problems.append(
            f"{mail.message_id} arrived {copies[mail.message_id]} times, "
            f"with {mail.resends} resends after an unknown outcome"
        )
    if mail.state != "accepted":
        problems.append(f"email {mail.id} is {mail.state}")
    return problems


def _mails(order: Order) -> list[Mail]:
    return [mail for mail in (order.receipt, order.notice) if mail is not None]


def _told(job: Work) -> str:
    return f"job {job.id} ({job.kind}) is {job.state}"


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items())) or "none"


def first_problems(checks: Iterable[Check], most: int = 20) -> list[str]:
    """Return the first problems of all checks, one a line."""
    return list(chain.from_iterable(check.problems for check in checks))[:most]
