"""Every block of Python in README and docs runs, page by page, on the real database."""

import ast
import sys
import textwrap
from datetime import timedelta
from types import ModuleType, SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from apps.orders.services import order_create
from celeriac import GiveUp, current_job, enqueue, enqueue_many, grow_flow, job
from celeriac.jobs import registry
from celeriac.jobs.callbacks import signature
from celeriac.jobs.schema import Schema
from celeriac.settings import conf
from celeriac.testing import drain
from tests.factories_domain import EmailFactory, LineFactory
from tests.integration.payments.conftest import (  # noqa: F401 fixtures
    _gateway_server,
    _mailsink_server,
    circuits,
    gateway,
    mailsink,
)
from tests.support.declarations import fresh  # noqa: F401 a fixture
from tests.support.pages import WALKED, blocks

pytestmark = pytest.mark.django_db

PYTHON = {}
for block in blocks("python"):
    PYTHON.setdefault(block.page, []).append(block.text)
#: Run by a test of their own, as they stand.
ELSEWHERE = {
    "docs/sandbox.md": "tests/integration/sandbox/test_docs.py",
    "docs/library.md": "tests/acceptance/test_wheel.py",
    **dict.fromkeys(WALKED, "tests/acceptance/test_newcomer.py"),
}


@pytest.fixture
def module(monkeypatch):
    """Return a function that makes an importable module with names in it."""

    def make(name, **names):
        made = ModuleType(name)
        made.__dict__.update(names)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    return make


def run(text, made, before=None):
    """Run a block in a module, statement by statement; `before` has what a call waits for."""
    for statement in ast.parse(text).body:
        called = {
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for node in ast.walk(statement)
            if isinstance(node, ast.Call)
        }
        for name, do in (before or {}).items():
            if name in called:
                do(made)
        code = compile(ast.Module([statement], []), made.__name__, "exec", dont_inherit=True)
        exec(code, made.__dict__)  # noqa: S102 our own pages


class AnyOrder:
    """Makes an order whatever it is asked for: a page leaves the details out."""

    def __call__(self, *_: object):
        """Return an order."""
        return order_create(
            email="ada@shop.example",
            items=[LineFactory()],
            currency="eur",
            payment_method="pm_card_visa",
        )


def pages_names():
    """Return what the pages take for granted: a shop, a request, an order."""
    some = SimpleNamespace
    order = some(id=1042, email="ada@shop.example", save=lambda: None)
    return {
        "UUID": UUID, "Any": Any, "timedelta": timedelta, "pytest": pytest, "uuid4": uuid4,
        "job": job, "enqueue": enqueue, "enqueue_many": enqueue_many, "current_job": current_job,
        "transaction": transaction, "GiveUp": GiveUp, "order": order,
        "payment": AnyOrder()(None).payment,
        "request": some(user="ada"), "client": some(capture=lambda charge: charge), "charge": 1,
        "tell": lambda job: None, "ids": [1, 2], "Timeout": TimeoutError, "email": None,
        "upload": some(id=7), "grow_flow": grow_flow, "links": lambda url: [],
        "order_create": AnyOrder(), "Invoice": None,
        "Report": some(objects=some(create=lambda details: some(id=7))),
    }  # fmt: skip


def before(page):
    """Return what has to happen before a call of a page can be made."""

    def captured(made):
        drain("payments")
        made.payment.refresh_from_db()

    def new(made):
        made.payment = AnyOrder()(None).payment

    return {
        "docs/payments.md": {"payment_refund": captured, "payment_cancel": new},
        "README.md": {"get": lambda made: drain()},
        "docs/jobs.md": {"get": lambda made: drain()},
    }.get(page, {})


def path(**_):
    """Stand for a handler that returns where a file is."""
    return {"path": "in.csv"}


#: The kinds that a page names and does not declare.
ARGS = ("upload_id", "n", "path")
NAMED = {"docs/flows.md": ["csv.parse", "row.load", "mail.report", "ledger.post"]}


def declare_named(page):
    """Declare what a page takes for declared: handlers of any arguments."""
    for name in NAMED.get(page, []):
        schema = Schema(name, dict.fromkeys(ARGS, Any), dict.fromkeys(ARGS))
        registry.declare_kind(registry.Kind(name=name, handler=path, schema=schema))


def redeclared(text):
    """Return the kinds that a block declares."""
    return [
        node.args[0].value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "job" and node.args
    ]


@pytest.mark.parametrize("page", [page for page in PYTHON if page not in ELSEWHERE])
def test_the_python_of_a_page_runs(page, fresh, module, circuits, gateway, mailsink, settings):  # noqa: F811 the fixtures above
    """In the order of the page, in one module; what it shows of testing is run as a test."""
    settings.CELERIAC = {**settings.CELERIAC, "MODULES": [*conf.MODULES, "shop.pages"]}
    made = module("shop.pages", **pages_names())
    declare_named(page)
    for text in PYTHON[page]:
        if "# before " in text:
            before_, text = columns(text)
            compile(before_, page, "exec")
        for kind in redeclared(text):
            registry.forget_kind(kind)
        run(text, made, before(page))
    check(page, made)


def columns(text):
    """Return the two columns of a block that sets code beside code."""
    lines = text.splitlines()
    middle = lines[0].index("# after")
    left, right = ("\n".join(line[a:b] for line in lines) for a, b in ((0, middle), (middle, None)))
    return textwrap.dedent(left), textwrap.dedent(right)


def check(page, made):
    """See that what a page made does what the page says."""
    match page:
        case "README.md":
            assert made.handle.get() == f"{made.handle.id}:mail"
            assert len([line for line in PYTHON[page][0].splitlines() if line]) == 12
        case "docs/jobs.md":
            assert (made.handle.state, made.handle.get(timeout=60)) == ("succeeded", {"pages": 12})
        case "docs/callbacks.md":
            body, now = b"{}", int(timezone.now().timestamp())
            header = signature.sign_body(body, timestamp=now)
            assert made.verify(body, header, conf.CALLBACK_SECRET)
            assert not made.verify(body, header, "another")
        case "docs/testing.md":
            tests = [value for name, value in vars(made).items() if name.startswith("test_")]
            assert len(tests) == 4
            for test in tests:
                test(None)
                made.email = EmailFactory()


def test_every_page_with_python_is_run():
    """Here, or where the list says."""
    assert set(ELSEWHERE) <= set(PYTHON)
    assert sum(map(len, PYTHON.values())) > 20
