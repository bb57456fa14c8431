"""Routes: which calls of adopted tasks are jobs, without a deploy."""

import json
from io import StringIO

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.urls import reverse

from celeriac.celery.headers import HEADER, PLAIN
from celeriac.core.check_results import Level
from celeriac.core.models import Audit
from celeriac.jobs.errors import InvalidOption, RouteNotOrdered
from celeriac.jobs.models import Job, Route
from celeriac.jobs.routing.current_orders import CurrentOrders, current_orders
from celeriac.jobs.routing.order_route import compare_orders, order_route
from celeriac.jobs.routing.orders import Order, is_in_share
from celeriac.jobs.routing.shared import KEY, shared_orders
from tests.factories_rows import HandedBackFactory
from tests.support.locked import locked_ledger  # noqa: F401 a fixture

pytestmark = pytest.mark.django_db


@pytest.fixture
def note(acme):
    """Return a task that does nothing."""

    @acme.task(name="acme.note", bind=True, max_retries=3)
    def note(self, *args, **kwargs):
        return args

    return note


def order(pattern, share, **said):
    """Order a route, as somebody."""
    return order_route(pattern, share=share, **{"reason": "because", "actor": "ann", **said})


def messages(broker, queue="default"):
    """Return the headers of the messages in a queue."""
    return [json.loads(each)["headers"] for each in broker.lrange(queue, 0, -1)][::-1]


def test_a_task_that_is_routed_to_plain_is_sent_as_ever(note, acme, broker):
    """By each door, with a header by which it runs as plain; back on the ledger it is a row."""
    order("acme.*", 0)
    note.delay(1)
    note.apply_async((2,), task_id="mine", headers={"trace": "t"})
    acme.send_task("acme.note", (3,))
    note.s(4).apply_async()
    assert not Job.objects.exists()
    sent = messages(broker)
    assert [each[HEADER] for each in sent] == [PLAIN] * 4
    assert (sent[1]["id"], sent[1]["trace"]) == ("mine", "t")
    order("acme.*", 100)
    note.delay(5)
    acme.send_task("acme.note", (6,))
    assert [job.args["args"] for job in Job.objects.order_by("id")] == [[5], [6]]
    assert broker.llen("default") == 4


def test_an_order_is_a_row_with_its_reason_and_an_audit_entry(note):
    """Who, why, from what and to what; the same in the broker."""
    order("acme.*", 0)
    order("acme.*", 5, reason="try it", actor="bob")
    row = Route.objects.get()
    assert (row.pattern, row.share, row.reason, row.set_by) == ("acme.*", 5, "try it", "bob")
    entry = Audit.objects.filter(verb="route.order").order_by("at").last()
    assert (entry.target_id, entry.reason, entry.actor_name) == ("acme.*", "try it", "bob")
    assert (entry.details["from"], entry.details["to"]) == ("plain", "5%")
    [shared] = shared_orders.read()
    assert (shared.pattern, shared.share, shared.recorded) == ("acme.*", 5, True)


@pytest.mark.parametrize(
    ("pattern", "share", "reason"), [("", 0, "x"), ("a b", 0, "x"), ("a", 0, " "), ("a", 101, "x")]
)
def test_an_order_without_sense_is_refused(pattern, share, reason):
    """And nothing is written anywhere."""
    with pytest.raises(InvalidOption):
        order(pattern, share, reason=reason)
    assert not Route.objects.exists()
    assert shared_orders.read() is None


def test_a_share_goes_by_the_id_of_the_task(note, broker):
    """Each call is on the side that its id says, on either side under that id."""
    order("acme.*", 30)
    results = [note.delay(number) for number in range(40)]
    jobs = {str(job.id) for job in Job.objects.all()}
    sent = {each["id"] for each in messages(broker)}
    assert jobs == {each.id for each in results if is_in_share(each.id, 30)}
    assert sent == {each.id for each in results} - jobs
    assert jobs
    assert sent


def test_what_the_ledger_would_refuse_is_plain_while_it_has_a_share(note, broker):
    """A canvas fails for nobody by chance."""
    order("acme.*", 99.9)
    for _ in range(5):
        note.apply_async((1,), link=note.si(2))
    assert len(messages(broker)) == 5


def test_a_plain_runs_own_retry_stays_plain(note, broker, monkeypatch):
    """Though its task is the ledger's again meanwhile."""
    order("acme.*", 100)
    note.push_request(id="mine", retries=0, called_directly=False, headers={HEADER: PLAIN})
    try:
        note.apply_async((1,), task_id="mine", retries=1)
    finally:
        note.pop_request()
    [sent] = messages(broker)
    assert (sent["id"], sent["retries"], sent[HEADER]) == ("mine", 1, PLAIN)
    assert not Job.objects.exists()


def test_another_process_goes_by_the_order_once_it_reads_the_broker(note):
    """It asks at most once a second, and no statement is spent on it."""
    other = CurrentOrders()
    assert other.share("acme.note") == 100
    order("acme.note", 0)
    other._read_from = 0.0
    assert other.share("acme.note") == 0


@pytest.mark.django_db(transaction=True)
def test_where_the_broker_knows_nothing_the_rows_do(note, broker):
    """It was emptied, or is of another kind: the rows are read beside, and it learns them."""
    order("acme.note", 0)
    broker.delete(KEY)
    other = CurrentOrders()
    assert other.share("acme.note") == 0
    assert broker.hexists(KEY, "acme.note")


def test_an_order_takes_effect_while_all_tables_are_locked(
    note,
    broker,
    settings,
    locked_ledger,  # noqa: F811 the fixture above
):
    """By the broker; its row and its audit entry are written by whoever can, later."""
    settings.CELERIAC = {**settings.CELERIAC, "LOCK_TIMEOUT_SECONDS": 0.2}
    found = order("acme.*", 0, reason="it hangs")
    assert not found.recorded
    other = CurrentOrders()
    assert other.share("acme.note") == 0
    note.delay(1)
    assert len(messages(broker)) == 1
    locked_ledger()
    assert not Route.objects.exists()
    compare_orders()  # a dispatcher does, each second
    assert (Route.objects.get().share, Route.objects.get().set_by) == (0, "ann")
    entry = Audit.objects.get(verb="route.order")
    assert (entry.reason, entry.actor_name) == ("it hangs", "ann")
    compare_orders()
    assert Audit.objects.filter(verb="route.order").count() == 1
    assert [each.recorded for each in shared_orders.read()] == [True]


def test_an_order_that_reaches_nobody_is_refused(note, settings, locked_ledger):  # noqa: F811
    """Neither the broker nor the table took it: it is not said to hold."""
    settings.CELERIAC = {
        **settings.CELERIAC,
        "LOCK_TIMEOUT_SECONDS": 0.2,
        "NUDGE_URL": "redis://127.0.0.1:1/0",
    }
    with pytest.raises(RouteNotOrdered, match="routed as before"):
        order("acme.*", 0)


def test_a_dispatcher_tells_the_broker_what_only_the_row_has(note, broker):
    """The one who ordered could not reach it."""
    order("acme.*", 0)
    broker.flushall()
    compare_orders()
    assert [each.share for each in shared_orders.read()] == [0]


def run(*words, **options):
    """Run `manage.py celeriac …`; return its exit code and what it said."""
    out = StringIO()
    try:
        call_command("celeriac", *words, stdout=out, **options)
    except SystemExit as ended:
        return ended.code, out.getvalue()
    return 0, out.getvalue()


def test_the_command_orders_and_lists(note, capsys):
    """It names the tasks that it concerns, and refuses a pattern that fits none."""
    said = ("--reason", "slow", "--actor", "ann")
    code, text = run("route", "acme.no*", "5%", *said)
    assert code == 0
    assert "acme.no* goes to 5%" in text
    assert "acme.note" in text
    code, text = run("route")
    assert "acme.note  5%: acme.no* by ann: slow" in text
    assert run("route", "acme.nothing", "plain", *said)[0] == 2
    assert "No task of CELERIAC['TASKS'] fits 'acme.nothing'" in capsys.readouterr().err
    assert run("route", "acme.nothing", "plain", "--ahead", *said)[0] == 0
    assert run("route", "acme.note", "plain")[0] == 2
    assert "Say where to and why" in capsys.readouterr().err


def test_a_message_from_elsewhere_is_a_row_only_while_its_task_is_the_ledgers(note, acme):
    """By its own id, and one that comes again has no second run."""
    from celeriac.celery.adopted.choosing import is_routed_to_ledger

    assert is_routed_to_ledger("acme.note", "one", {})
    job = note.apply_async((1,), task_id="known")
    order("acme.note", 0)
    assert not is_routed_to_ledger("acme.note", "one", {"redelivered": True})
    assert is_routed_to_ledger("acme.note", job.id, {"redelivered": True})
    order("acme.note", 50)
    ids = [str(number) for number in range(30)]
    assert [is_routed_to_ledger("acme.note", each, {}) for each in ids] == [
        is_in_share(each, 50) for each in ids
    ]


@pytest.fixture
def operator(django_user_model, client):
    """Return a client of somebody who may look, and what gives the right to route."""
    user = django_user_model.objects.create_user(
        email="op@example.com", password="x", is_staff=True
    )
    look = ("view_route", "view_audit")
    user.user_permissions.add(*Permission.objects.filter(codename__in=look))
    client.force_login(user)

    def permit():
        user.user_permissions.add(Permission.objects.get(codename="route_tasks"))

    return client, permit


def test_the_console_orders_with_a_permission_and_a_reason(note, operator):
    """By its own page for a new pattern, and by a button on a route's page."""
    client, permit = operator
    add = "/admin/celeriac_jobs/route/add/"
    said = {"pattern": "acme.*", "share": "plain", "reason": "mail hangs"}
    assert client.post(add, said).status_code == 403
    assert client.get("/admin/celeriac_jobs/route/").status_code == 200
    permit()
    assert client.get(add).status_code == 200
    answer = client.post(add, {**said, "reason": ""})
    assert answer.status_code == 200
    assert not Route.objects.exists()
    assert client.post(add, said).status_code == 302
    assert (Route.objects.get().share, Route.objects.get().set_by) == (0, "op@example.com")
    assert current_orders.share("acme.note") == 0
    button = reverse("admin:celeriac_jobs_route_route", args=[quote("acme.*")])
    for share in ("some", "5%"):
        client.post(button, {"share": share, "reason": "better", "_form_submitted": "on"})
    assert (Route.objects.get().share, Route.objects.get().reason) == (5, "better")
    assert Audit.objects.filter(verb="route.order").count() == 2


def test_the_doctor_names_orders_and_what_they_left(note, broker):
    """Those in force, those without a row, and messages of a handback that may not have gone."""
    from celeriac.console.doctor.routes import check_routes

    assert not list(check_routes())
    order("acme.*", 5)
    HandedBackFactory(task="acme.note")
    shared_orders.write([Order("other.*", 0, 1, "why", "ann", recorded=False)])
    found = [(each.level, each.says) for each in check_routes()]
    assert (Level.OK, "acme.* goes to 5% by ann: because") in found
    warned = [says for level, says in found if level is Level.WARNING]
    assert warned == [
        "the order of other.* to plain has no row and no audit entry",
        "1 message of a handback may not have been sent",
    ]
