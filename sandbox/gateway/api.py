"""One request to the API, from its key to its answer, with the fault that strikes it."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.common.down import Outage
from sandbox.common.http import Answer, Hangup, Request, Response
from sandbox.common.journal import Journal
from sandbox.common.traffic import Traffic
from sandbox.gateway import errors
from sandbox.gateway.bank import Bank, reference_of
from sandbox.gateway.clock import Clock
from sandbox.gateway.endpoints import Call, Plan, with_expansion
from sandbox.gateway.faults import Fault, FaultInjector, Occasion
from sandbox.gateway.idempotency import Fingerprint, IdempotencyStore
from sandbox.gateway.objects import API_VERSION, new_id
from sandbox.gateway.params import decode
from sandbox.gateway.routes import Route, find
from sandbox.gateway.stats import Seen, Stats


@dataclass(frozen=True, slots=True)
class Work:
    """One valid request that may be executed."""

    route: Route
    call: Call
    plan: Plan
    key: str
    reference: str
    seen: Seen


class Api:
    """Answers requests under /v1."""

    def __init__(
        self,
        *,
        bank: Bank,
        keys: IdempotencyStore,
        faults: FaultInjector,
        stats: Stats,
        outage: Outage,
        clock: Clock,
        journal: Journal,
        api_key: str,
        reference_key: str,
    ) -> None:
        self._bank, self._keys, self._faults = bank, keys, faults
        self._stats, self._outage, self._clock = stats, outage, clock
        self._journal = journal
        self._api_key = api_key
        self._reference_key = reference_key
        self._traffic = Traffic()
        self._hurry = threading.Event()

    def stop(self) -> None:
        """Cut short what waits."""
        self._hurry.set()

    @contextlib.contextmanager
    def halted(self) -> Iterator[None]:
        """Cut short what waits, wait for its end, and begin nothing before the block ends."""
        self._hurry.set()
        with self._traffic.halted():
            self._hurry.clear()
            yield

    def answer(self, request: Request) -> Answer:
        """Answer one request and note how that ended."""
        with self._traffic.passing():
            return self._noted(request)

    def _noted(self, request: Request) -> Answer:
        seen = self._stats.enter(request.method, request.path)
        outcome = "error"
        try:
            answer = self._answer(request, seen)
            outcome = answer.value if isinstance(answer, Hangup) else str(answer.status)
        finally:
            self._stats.leave(seen, outcome)
        return answer

    def _answer(self, request: Request, seen: Seen) -> Answer:
        try:
            down = self._down()
            if down is not None:
                return down
            self._authenticate(request)
            return _stamped(self._dispatch(request, seen))
        except errors.ApiError as error:
            return _stamped(error.response())

    def _down(self) -> Answer | None:
        mode = self._outage.meet(self._stats.in_flight)
        if mode is None:
            return None
        return Hangup.RESET if mode == "reset" else errors.unavailable().response()

    def _authenticate(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise errors.unauthenticated("You did not provide an API key.")
        known = token == self._api_key if self._api_key else token.startswith("sk_test_")
        if not known:
            raise errors.unauthenticated(f"Invalid API Key provided: {token[:7]}***")

    def _dispatch(self, request: Request, seen: Seen) -> Answer:
        route, ids = find(request.method, request.path)
        seen.endpoint = route.name
        writes = request.method == "POST"
        encoded = request.body.decode("utf-8", "replace") if writes else request.query
        params = decode(encoded)
        lag = self._faults.settings.search_lag_seconds
        call = Call(self._bank, ids, params, request.path, self._clock.now(), lag)
        with self._bank.lock:
            plan = with_expansion(call, route.endpoint(call))
            seen.reference = self._reference(call)
        seen.key = request.headers.get("idempotency-key", "") if writes else ""
        work = Work(route, call, plan, seen.key, seen.reference, seen)
        return self._write(work) if writes else self._read(work)

    def _reference(self, call: Call) -> str:
        given = call.params.nested("metadata").values.get(self._reference_key)
        known = call.ids and call.ids[0] in self._bank.intents
        row = self._bank.intents.get(call.ids[0]) if known else {}
        return str(given or reference_of(row, self._reference_key) or "")

    def _read(self, work: Work) -> Answer:
        fault = self._fault(work, executes=False)
        self._refuse(fault)
        if fault.kind == "delay":
            self._pause(fault.seconds)
        return Hangup.CLOSE if fault.kind == "drop" else self._executed(work, Fault())

    def _write(self, work: Work) -> Answer:
        if not work.key:
            return self._struck(work, self._fault(work, executes=True))
        params = json.dumps(work.call.params.values, sort_keys=True)
        saved = self._keys.begin(work.key, Fingerprint(work.call.path, params))
        if saved is not None:
            return self._replay(work, saved)
        with self._begun(work.key):
            return self._struck(work, self._fault(work, executes=True))

    @contextlib.contextmanager
    def _begun(self, key: str) -> Iterator[None]:
        """Let the key go, should its request be refused before its execution begins."""
        try:
            yield
        except BaseException:
            self._keys.abandon(key)
            raise

    def _replay(self, work: Work, saved: Response) -> Answer:
        work.seen.replayed = True
        fault = self._fault(work, executes=False)
        self._refuse(fault)
        if self._faults.settings.charge_twice:
            self._charge_again(work.route, saved)
        if fault.kind == "delay":
            self._pause(fault.seconds)
        if fault.kind == "drop":
            return Hangup.CLOSE
        return Response(saved.status, saved.body, {**saved.headers, "Idempotent-Replayed": "true"})

    def _struck(self, work: Work, fault: Fault) -> Answer:
        """Execute with the fault before, instead of or after the effect."""
        self._refuse(fault)
        self._pause(self._faults.settings.latency_seconds)
        if fault.kind == "delay" and fault.when == "before":
            self._pause(fault.seconds)
        answer = self._executed(work, fault)
        if fault.kind == "delay" and fault.when == "after":
            self._pause(fault.seconds)
        return Hangup.CLOSE if fault.kind == "drop" else answer

    def _refuse(self, fault: Fault) -> None:
        """Raise what refuses a request before its execution begins, so that nothing is saved."""
        if fault.kind == "rate_limit":
            raise errors.rate_limited(fault.seconds)
        if fault.kind == "error" and fault.when == "before":
            raise errors.server_error()

    def _executed(self, work: Work, fault: Fault) -> Response:
        """Return the answer of the plan; effect and saved answer are one line of the journal."""
        with self._bank.lock, self._journal.batch():
            response = self._effect(work, fault)
            if fault.kind == "error":
                response = errors.server_error().response()
            if work.key:
                self._keys.finish(work.key, response)
        return response

    def _effect(self, work: Work, fault: Fault) -> Response:
        if fault.kind == "error" and fault.when == "during":
            return errors.server_error().response()
        if self._faults.settings.charge_twice and work.route.name == "payment_intents.confirm":
            self._bank.charge_again(work.call.ids[0])
        try:
            answer = work.plan(fault.code if fault.kind == "decline" else None)
        except errors.ApiError as error:
            return error.response()
        if work.route.charges and self._faults.doubles(work.key or str(work.seen.number)):
            self._bank.charge_again(answer["id"])
        return Response.of_json(answer)

    def _charge_again(self, route: Route, saved: Response) -> None:
        if route.charges and saved.status == 200:
            with self._bank.lock:
                self._bank.charge_again(json.loads(saved.body)["id"])

    def _fault(self, work: Work, *, executes: bool) -> Fault:
        route = work.route
        key = work.key or f"request {work.seen.number}"
        charges = route.charges and executes
        occasion = Occasion(route.name, work.reference, key, executes, charges)
        fault = self._faults.choose(occasion)
        work.seen.fault = fault.kind
        return fault

    def _pause(self, seconds: float) -> None:
        if seconds > 0:
            self._hurry.wait(seconds)


def _stamped(answer: Answer) -> Answer:
    """Add the headers that each answer of the API bears."""
    if isinstance(answer, Hangup):
        return answer
    stamp = {"Request-Id": new_id("req"), "Stripe-Version": API_VERSION}
    return Response(answer.status, answer.body, {**answer.headers, **stamp})
