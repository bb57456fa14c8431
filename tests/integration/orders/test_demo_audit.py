"""The demo's audit over statements of real parties: a gateway, a mail sink, the ledger."""

import random
import re
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from rich.console import Console

from apps.orders import services
from celeriac.testing import drain
from sandbox.demo import __main__ as command, evidence
from sandbox.demo.audit import audit, balances
from sandbox.demo.client import CARD, PROMISES, basket
from sandbox.demo.options import Options
from sandbox.demo.programs import Programs
from sandbox.demo.report import show_audit
from sandbox.demo.stage import Stage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stage(gateway, mailsink, tmp_path):
    """Return a stage whose programs are this process, with the promises of one client."""
    programs = Programs(tmp_path / "logs")
    options = Options(orders=3, clients=1)
    return Stage(options, tmp_path, {}, None, gateway, mailsink, programs)


def judged(stage):
    """Place the orders as a client does, run all that follows, and audit the books."""
    chance, promises = random.Random(1), []  # noqa: S311 no secret
    for number in range(stage.options.orders):
        order = services.order_create(
            email=f"customer-{number}@shop.example", items=basket(chance), payment_method=CARD
        )
        promises.append(f"{order.id}\n")
    (stage.state / PROMISES.format(0)).write_text("".join(promises))
    drain()
    return audit(evidence.fetch_statements(stage, failures=[]))


def test_sound_books_balance(stage):
    """Each party says the same."""
    checks = judged(stage)
    assert [problem for check in checks for problem in check.problems] == []
    assert balances(checks)


def test_the_audit_fails_when_the_gateway_charges_twice(stage, gateway):
    """The check can fail, and says who was charged what."""
    gateway.faults(double_charge_rate=1)
    checks = judged(stage)
    console = Console(record=True, width=200)
    show_audit(console, checks)
    text = console.export_text()
    assert not balances(checks)
    assert "The books do NOT balance." in text
    assert len(re.findall(r"order:\S+ was charged \[(\d+), \1\], owed \[\1\]", text)) == 3, text


@pytest.mark.parametrize(("balanced", "code"), [(True, 0), (False, 1)])
def test_the_exit_code_says_whether_they_balance(monkeypatch, tmp_path, capsys, balanced, code):
    """Whoever runs `make demo` in a script reads no table; the logs of an odd run are kept."""
    forgotten = []

    @contextmanager
    def there(options):
        yield SimpleNamespace(programs=SimpleNamespace(logs=tmp_path))

    monkeypatch.setattr(command, "stage", there)
    monkeypatch.setattr(command, "parse", Options)
    monkeypatch.setattr(command, "forget", forgotten.append)
    monkeypatch.setattr(command, "_run", lambda ready, console: balanced)
    monkeypatch.setattr(command.signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(command, "escape_unprintable", lambda: None)
    assert command.main() == code
    assert bool(forgotten) == balanced
    assert (str(tmp_path) in capsys.readouterr().out) != balanced
