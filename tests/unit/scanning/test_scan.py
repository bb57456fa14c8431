"""What a scan says of small projects, each of the shape that real ones have."""

import json
import subprocess
import sys

import pytest

from celeriac.scanning.remarks import Weight
from celeriac.scanning.scan import scan_project
from tests.support.servers import ROOT

APP = """
from celery import Celery

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
"""
TASK = """
from celery import shared_task

@shared_task
def send(order_id: int):
    return order_id
"""


@pytest.fixture
def project(tmp_path):
    """Write a project's files, and scan it."""

    def scan(files=None, /, **settings):
        written = {"manage.py": "", "shop/__init__.py": "", "shop/celery.py": APP}
        written["shop/settings.py"] = "\n".join(f"{k} = {v!r}" for k, v in settings.items())
        for name, text in (written | (files or {})).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return scan_project(tmp_path)

    return scan


def only(scan):
    """Return the one task of a scan."""
    assert [each.task.name for each in scan.tasks] == ["shop.tasks.send"]
    return scan.tasks[0]


def said(judged):
    """Return what was said of a task, on one line."""
    return " | ".join(f"{each.weight.name} {each}" for each in judged.remarks)


def test_a_plain_task_moves_as_it_is(project):
    """Celery's defaults: nothing is said, and CI passes."""
    scan = project({"shop/tasks.py": TASK})
    judged = only(scan)
    assert judged.weight is Weight.AS_IS
    assert judged.delivery.code == "never"
    assert judged.limits["hard"].worth is None
    assert scan.exit_code == 0


DECLARED = [
    "from celery import shared_task\n@shared_task\ndef send(): ...",
    "from celery import shared_task as task\n@task(bind=True)\ndef send(self): ...",
    "import celery\n@celery.shared_task()\ndef send(): ...",
    "from shop.celery import app\n@app.task\ndef send(): ...",
    "from .celery import app as celery_app\n@celery_app.task(acks_late=True)\ndef send(): ...",
    "from shop import celery\n@celery.app.task\ndef send(): ...",
    "from celery import current_app\n@current_app.task\ndef send(): ...",
    "from celery import shared_task\ndef send(): ...\njob = shared_task(send)",
    "try:\n    from celery import shared_task\nexcept ImportError:\n    pass\n"
    "if True:\n    @shared_task\n    def send(): ...",
]


@pytest.mark.parametrize("text", DECLARED)
def test_a_task_is_found_however_it_is_declared(project, text):
    """By each import, alias and app."""
    scan = project({"shop/tasks.py": text})
    assert only(scan).weight is Weight.AS_IS


def test_a_name_of_its_own_and_a_package_without_init_are_seen(project):
    """Celery names a task after the module that is imported."""
    scan = project(
        {
            "apps/mail/tasks.py": TASK,
            "shop/tasks.py": TASK.replace("@shared_task", "@shared_task(name='mail.send')"),
        }
    )
    assert [each.task.name for each in scan.tasks] == ["apps.mail.tasks.send", "mail.send"]


def declared(options, body="    pass", parameters="order_id"):
    """Return a module with one task that is declared with these options."""
    return (
        "import asyncio, pathlib\nfrom celery import Task, shared_task, group\n"
        "from shop.base import *\n"
        f"@shared_task({options})\ndef send({parameters}):\n{body}\n"
    )


BASES = """
from celery import Task
from celery_singleton import Singleton
from elsewhere import Foreign

class Hooks(Task):
    acks_late = True
    def on_failure(self, *args): ...
    def __call__(self, *args, **kwargs): ...

class Sending(Task):
    def apply_async(self, *args, **kwargs): ...

class Requesting(Hooks):
    Request = "shop.base:Own"

class Single(Singleton): ...
"""
OPTIONS = [
    ("base=Hooks", Weight.AS_IS, ""),
    ("base=Sending", Weight.CHANGES, "apply_async() of its own"),
    ("base=Requesting", Weight.UNKNOWN, "Requesting.Request"),
    ("base=Singleton", Weight.LINE, "unique="),
    ("base=Single", Weight.LINE, "lock="),
    ("base=Foreign", Weight.UNKNOWN, "elsewhere.Foreign can't be read"),
    ("rate_limit='10/m'", Weight.LINE, "rate_limit"),
    ("serializer='json', max_retries=3, trail=False, typing=False", Weight.AS_IS, ""),
    ("serializer='pickle'", Weight.UNKNOWN, "go by 'pickle'"),
    ("serializer=CHOSEN", Weight.UNKNOWN, "go by CHOSEN"),
    ("**OPTIONS", Weight.UNKNOWN, "OPTIONS"),
    ("backend=OWN", Weight.UNKNOWN, "result backend of its own"),
]


@pytest.mark.parametrize(("options", "weight", "text"), OPTIONS)
def test_options_of_a_task_are_judged(project, options, weight, text):
    """Each by what it means for a job."""
    judged = only(project({"shop/base.py": BASES, "shop/tasks.py": declared(options)}))
    assert judged.weight is weight, said(judged)
    assert text in said(judged)


PICKLED = [
    ("", "    pass", Weight.AS_IS),
    ("order_id: int", "    pass", Weight.LINE),
    ("ids: list[int] | None = None", "    pass", Weight.LINE),
    ("path: pathlib.Path", "    pass", Weight.CANT),
    ("order: 'Order'", "    pass", Weight.CANT),
    ("order: dict", "    pass", Weight.UNKNOWN),
    ("order_id: int, *rest", "    pass", Weight.UNKNOWN),
    ("", "    return Order()", Weight.UNKNOWN),
]


@pytest.mark.parametrize(("parameters", "body", "weight"), PICKLED)
def test_pickled_arguments_are_judged_by_what_they_are(project, parameters, body, weight):
    """What is no JSON can't move; what is may, with a line; what can't be told is unknown."""
    base = "from django.db import models\nclass Order(models.Model): ..."
    files = {"shop/base.py": base, "shop/tasks.py": declared("", body, parameters)}
    scan = project(files, CELERY_TASK_SERIALIZER="pickle", CELERY_RESULT_SERIALIZER="pickle")
    judged = only(scan)
    assert judged.weight is weight, said(judged)


DELIVERIES = [
    ("", {}, "never"),
    ("acks_late=True", {}, "worker"),
    ("acks_late=True, reject_on_worker_lost=True", {}, "again"),
    ("", {"CELERY_TASK_ACKS_LATE": True}, "worker"),
    ("", {"CELERY_ACKS_LATE": True, "CELERY_TASK_REJECT_ON_WORKER_LOST": True}, "again"),
    ("acks_late=False", {"CELERY_TASK_ACKS_LATE": True}, "never"),
    ("base=Hooks", {}, "worker"),
    ("", {"CELERY_TASK_ANNOTATIONS": {"*": {"acks_late": True}}}, "unknown"),
    ("", {"CELERY_TASK_ANNOTATIONS": {"shop.other": {"acks_late": True}}}, "never"),
]


@pytest.mark.parametrize(("options", "settings", "code"), DELIVERIES)
def test_delivery_comes_from_the_task_then_its_class_then_the_settings(
    project, options, settings, code
):
    """As Celery looks options up."""
    files = {"shop/base.py": BASES, "shop/tasks.py": declared(options)}
    assert only(project(files, **settings)).delivery.code == code


def test_limits_come_from_the_task_then_the_settings(project):
    """Arithmetic and settings of the project's own are worked out."""
    files = {
        "shop/tasks.py": "from django.conf import settings\nfrom celery import shared_task\n"
        "HOUR = 60 * 60\n@shared_task(soft_time_limit=settings.SOFT * 2)\ndef send(): ...",
        "shop/settings.py": "SOFT = 30\nCELERY_TASK_TIME_LIMIT = 5 * 60",
    }
    limits = only(project(files)).limits
    assert (limits["soft"].worth, limits["hard"].worth) == (60, 300)


def test_what_two_settings_files_disagree_about_is_unknown(project):
    """Which of them holds, only a running project knows; those of tests do not count."""
    files = {"shop/tasks.py": TASK}
    for name, value in (("local", 10), ("production", 20), ("test", 30)):
        files[f"shop/settings/{name}.py"] = f"CELERY_TASK_TIME_LIMIT = {value}"
    hard = only(project(files)).limits["hard"]
    assert not hard.known
    assert str(hard) == "10 or 20"


def calling(body, head=""):
    """Return a module that calls the task."""
    return (
        "from functools import partial\nfrom contextlib import contextmanager\n"
        "from celery import group, chord, chain, signature\nfrom django.db import transaction\n"
        "from django.db.models.signals import post_migrate, post_save\n"
        "from django.dispatch import Signal, receiver\nfrom django.urls import path\n"
        "from shop import tasks\nfrom shop.tasks import send\nfrom shop.celery import app\n"
        f"{head}\n{body}\n"
    )


SAVING = "from django.db import models\nclass Order(models.Model):\n    def save(self):\n        "
MIGRATION = """
from django.db import migrations
def fill(apps, editor):
    {body}
class Migration(migrations.Migration):
    operations = [migrations.RunPython(fill)]
    {atomic}
"""
MANAGER = (
    "@contextmanager\ndef saving():\n    with transaction.atomic():\n        yield\n"
    "def later(function, *args):\n    transaction.on_commit(lambda: function(*args))\n"
)
CALLS = [
    ("def view(): send.delay(1)", Weight.AS_IS, ""),
    ("def view(): tasks.send.apply_async((1,), countdown=3, queue='a', headers={})", 0, ""),
    ("def view(): send.delay(1).get(timeout=3)", Weight.AS_IS, ""),
    ("def view():\n    with transaction.atomic():\n        send.delay(1)", 1, "INSIDE"),
    ("@transaction.atomic\ndef view():\n    send.delay(1)", Weight.CHANGES, "inside a transaction"),
    ("@transaction.atomic()\ndef view():\n    send.delay(1).get()", Weight.LINE, "none can come"),
    ("@transaction.atomic\ndef view():\n    r = send.delay(1)\n    r.get()", Weight.LINE, "none"),
    ("def view():\n    with saving():\n        send.delay(1)", Weight.CHANGES, "inside"),
    ("def view():\n    with transaction.atomic(using='other'):\n        send.delay(1)", 3, "other"),
    ("def view():\n    with transaction.atomic():\n        transaction.on_commit(lambda: "
     "send.delay(1))", Weight.AS_IS, "no longer needs"),
    ("def view():\n    with transaction.atomic():\n        transaction.on_commit(partial("
     "send.delay, 1))", Weight.AS_IS, "no longer needs"),
    ("def view():\n    with transaction.atomic():\n        later(send.delay, 1)", 0, "no longer"),
    ("def view():\n    with transaction.atomic():\n        send.delay_on_commit(1)", 0, ""),
    ("def one():\n    send.delay(1)\ndef two():\n    one()\n@transaction.atomic\ndef view():\n"
     "    two()", Weight.CHANGES, "the function around it is called in one"),
    ("class View:\n    def one(self):\n        send.delay(1)\n    def two(self):\n        with "
     "transaction.atomic():\n            self.one()", Weight.CHANGES, "around it is called in one"),
    ("class Handler:\n    def end(self):\n        send.delay(1)\n@transaction.atomic\ndef view():\n"
     "    Handler().end()", Weight.CHANGES, "around it is called in one"),
    ("@receiver(post_save)\ndef saved(**_):\n    send.delay(1)", Weight.CHANGES, "in a save"),
    ("def gone(**_):\n    send.delay(1)\npost_save.connect(gone)", Weight.CHANGES, "in a save"),
    ("def one():\n    send.delay(1)\n@receiver(post_save)\ndef f(**_):\n    one()", 1, "around"),
    (SAVING + "send.delay(1)", Weight.CHANGES, "in a save"),
    ("paid = Signal()\n@receiver(paid)\ndef f(**_):\n    send.delay(1)\n@transaction.atomic\n"
     "def view():\n    paid.send(None)", Weight.CHANGES, "around it is called in one"),
    ("paid = Signal()\ndone = Signal()\n@receiver([paid, done])\ndef f(**_):\n    send.delay(1)\n"
     "@transaction.atomic\ndef view():\n    done.send(None)", Weight.CHANGES, "around it"),
    ("paid = Signal()\ndef f(**_):\n    send.delay(1)\npaid.connect(f)\ndef view():\n    with "
     "transaction.atomic():\n        paid.send_robust(None)", Weight.CHANGES, "called in one"),
    ("paid = Signal()\n@receiver(paid)\ndef f(**_):\n    send.delay(1)\ndef view():\n"
     "    paid.send(None)", Weight.AS_IS, ""),
    ("def one(): send.delay(1)\nMAP = {'a': one}", Weight.UNKNOWN, "around it is handed on"),
    ("def one(): send.delay(1)\ndef two(): one()\nrun(two)", Weight.UNKNOWN, "is handed on"),
    ("def one(): send.delay(1)\nurlpatterns = [path('', one)]", Weight.AS_IS, ""),
    ("def one(): send.delay(1)\n@transaction.atomic\ndef view():\n"
     "    transaction.on_commit(one)", Weight.AS_IS, ""),
    ("def view(): run(lambda: send.delay(1))", Weight.UNKNOWN, "made where it stands"),
    ("def view():\n    def one(): send.delay(1)\n    one()", Weight.AS_IS, ""),
    ("@transaction.atomic\ndef view():\n    def one(): send.delay(1)\n    one()", 1, "inside"),
    ("def view():\n    def one(): send.delay(1)\n    return one", Weight.UNKNOWN, "who calls it"),
    (MIGRATION.format(body="send.delay(1)", atomic=""), Weight.LINE, "in a migration"),
    (MIGRATION.format(body="send.delay(1)", atomic="atomic = False"), Weight.AS_IS, ""),
    (MIGRATION.format(body="def one(**_): send.delay(1)\n    post_migrate.connect(one)", atomic=""),
     Weight.AS_IS, ""),
    ("def view():\n    chain(send.s(1), send.s())()", Weight.CHANGES, "chain becomes a flow"),
    ("def view():\n    parts = [send.si(n) for n in 'ab']\n    group(parts)()", 1, "group"),
    ("def view(): (send.s(1) | send.s())()", Weight.CHANGES, "| becomes a flow"),
    ("def view(): send.apply_async((1,), link=send.s())", Weight.CHANGES, "link"),
    ("def view(): chord([send.s(1)])(send.s())", Weight.CHANGES, "chord"),
    ("def view(): send.starmap([(1,)])", Weight.CHANGES, "starmap"),
    ("def view(): return send.s(1)", Weight.UNKNOWN, "where its signature goes"),
    ("def view(): send.s(1).delay()", Weight.AS_IS, ""),
    ("@app.on_after_configure.connect\ndef setup(sender, **_):\n"
     "    sender.add_periodic_task(10, send.s(1))", Weight.AS_IS, ""),
    ("def view(): send.apply_async((1,), MessageGroupId='a')", Weight.CHANGES, "MessageGroupId"),
    ("def view(options): send.apply_async((1,), **options)", Weight.UNKNOWN, "**options"),
    ("def view(): send.apply_async((1,), serializer='yaml')", Weight.LINE, "'yaml'"),
    ("MAP = {'a': send}", Weight.UNKNOWN, "handed on as a value"),
    ("def view(): app.send_task('shop.tasks.send', (1,))", Weight.AS_IS, ""),
    ("@transaction.atomic\ndef view(): app.send_task('shop.tasks.send', (1,))", 1, "inside"),
    ("@transaction.atomic\ndef view(): app.tasks['shop.tasks.send'].delay(1)", 1, "inside"),
    ("def view(send): return send", Weight.AS_IS, ""),
]  # fmt: skip


@pytest.mark.parametrize(("body", "weight", "text"), CALLS)
def test_calls_are_judged(project, body, weight, text):
    """By their transaction, their options, and what is built of them."""
    judged = only(project({"shop/tasks.py": TASK, "shop/views.py": calling(body, MANAGER)}))
    assert judged.weight == weight, said(judged)
    assert text.lower() in said(judged).lower()


def test_calls_are_followed_through_modules_that_say_nothing_of_tasks(project):
    """A module between the transaction and the call need have no word of either."""
    files = {
        "shop/tasks.py": TASK,
        "shop/one.py": "from shop.tasks import send\ndef one(): send.delay(1)",
        "shop/two.py": "from shop.one import one\ndef two(): one()",
        "shop/views.py": "from django.db import transaction\nfrom shop.two import two\n"
        "@transaction.atomic\ndef view(): two()",
    }
    judged = only(project(files))
    assert judged.weight is Weight.CHANGES
    assert "shop/views.py:4" in said(judged)


def test_atomic_requests_put_a_transaction_around_each_view(project):
    """But around no task, and no command."""
    requests = {"DATABASES": {"default": {"ATOMIC_REQUESTS": True}}}
    view = {"shop/tasks.py": TASK, "shop/views.py": calling("def view(): send.delay(1)")}
    assert "ATOMIC_REQUESTS" in said(only(project(view, **requests)))


def test_no_call_of_tests_counts(project):
    """What a test does to a task moves with the test."""
    scan = project({"shop/tasks.py": TASK, "shop/tests/test_it.py": calling("group(send.s(1))()")})
    assert scan.exit_code == 0
    assert only(scan).calls == []


DYNAMIC = [
    "from celery import shared_task\ndef ours(**options):\n    return shared_task(**options)\n"
    "@ours(bind=True)\ndef send(self): ...",
    "from celery import shared_task\nfrom functools import partial\n"
    "ours = partial(shared_task, bind=True)\n@ours()\ndef send(self): ...",
    "from celery import shared_task\nclass ours:\n    def __call__(self, function):\n"
    "        return shared_task()(function)\n@ours()\ndef send(): ...",
    "from celery import shared_task\n@shared_task\nasync def send(): ...",
]


@pytest.mark.parametrize("text", DYNAMIC)
def test_what_only_a_run_tells_is_unknown(project, text):
    """Never does it move as it is."""
    assert only(project({"shop/tasks.py": text})).weight is Weight.UNKNOWN


def test_classes_of_tasks_are_tasks(project):
    """By their name, or where they stand."""
    text = (
        "from celery import Task\nclass Base(Task):\n    abstract = True\n"
        "class Send(Base):\n    name = 'mail'\n    rate_limit = '1/s'\n    def run(self): ...\n"
    )
    scan = project({"shop/tasks.py": text})
    assert [(each.task.name, each.weight) for each in scan.tasks] == [("mail", Weight.LINE)]


PROJECT = [
    ({"shop/settings.py": "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3'}}"},
     Weight.LINE, "sqlite3"),
    ({"shop/settings.py": "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql'}}"},
     Weight.AS_IS, ""),
    ({"shop/settings.py": "CELERY_BEAT_SCHEDULE = {'a': {'task': 'shop.gone'}}"},
     Weight.UNKNOWN, "fires shop.gone, which is not found"),
    ({"shop/settings.py": "CELERY_BEAT_SCHEDULE = {'a': {'task': 'shop.tasks.send'}}"},
     Weight.AS_IS, ""),
    ({"shop/settings.py": "CELERY_BEAT_SCHEDULE = made()"}, Weight.UNKNOWN, "made when it runs"),
    ({"shop/settings.py": "CELERY_BROKER_URL = 'sqs://'"}, Weight.LINE, "SQS"),
    ({"shop/settings.py": "CELERY_TASK_ALWAYS_EAGER = True"}, Weight.AS_IS, "always_eager"),
    ({"Procfile": "worker: celery -A shop worker -P gevent -c 100"}, Weight.LINE, "gevent"),
    ({"run.sh": "celery -A shop worker --pool=eventlet"}, Weight.LINE, "eventlet"),
    ({"compose.yml": "command: celery -A shop flower"}, Weight.CHANGES, "Flower"),
    ({"k8s/scale.yaml": "triggers:\n- type: redis\n  metadata:\n    listName: celery"},
     Weight.CHANGES, "KEDA"),
    ({"alarms.tf": 'expr = "redis_key_size{key=\\"celery\\"} > 100"'}, Weight.CHANGES, "exports"),
    ({"shop/health.py": "def size(client): return client.llen('celery')"}, Weight.CHANGES, "LLEN"),
    ({"requirements.txt": "Django==4.2.3\npsycopg2-binary==2.9\ncelery[redis]>=5.4"},
     Weight.LINE, "psycopg2"),
    ({"pyproject.toml": 'dependencies = [\n    "django~=5.2.1",\n    "celery==5.3.1",\n]'},
     Weight.LINE, "Celery 5.3"),
    ({"pyproject.toml": 'dependencies = [\n    "django~=5.2.1",\n    "celery>=5.5",\n]'},
     Weight.AS_IS, ""),
    ({"shop/apps.py": "from celery.signals import task_prerun\n@task_prerun.connect\ndef f(): ..."},
     Weight.AS_IS, "once per job"),
    ({"shop/apps.py": "from celery import signals\nsignals.task_received.connect(print)"},
     Weight.CHANGES, "task_received"),
    ({"shop/stop.py": "from shop.celery import app\napp.control.revoke('1', terminate=True)"},
     Weight.CANT, "terminate"),
    ({"shop/any.py": "def call(task): task.delay(1)"}, Weight.UNKNOWN, "can't follow"),
    ({"shop/celery.py": "from celery import Celery\nclass Own(Celery): ...\napp = Own('a')"},
     Weight.LINE, "mixin"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "weight", "text"), PROJECT)
def test_the_project_is_judged(project, files, weight, text):
    """Its apps, settings, signals, start scripts, alarms and requirements."""
    scan = project({"shop/tasks.py": TASK} | files)
    remarks = [str(each) for each in scan.project if each.weight is weight]
    assert any(text in each for each in remarks), scan.project
    assert scan.exit_code == (0 if weight is Weight.AS_IS else 1)


def test_a_file_that_is_no_python_is_named_and_fails(project):
    """A task could stand in it."""
    scan = project({"shop/tasks.py": TASK, "shop/broken.py": "import celery\ndef {{ name }}():"})
    assert list(scan.unread) == ["shop/broken.py"]
    assert scan.exit_code == 2


def test_large_arguments_are_named(project):
    """With what makes them large, and without a change of the verdict."""
    body = "def view(request):\n    body = request.data\n    send.delay(body)"
    judged = only(project({"shop/tasks.py": TASK, "shop/views.py": calling(body)}))
    assert judged.weight is Weight.AS_IS
    assert "body may be what a request brought" in said(judged)


def run_alone(*arguments):
    """Run `python -m celeriac` with the standard library alone."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import runpy; "
    program += "runpy.run_module('celeriac', run_name='__main__')"
    command = [sys.executable, "-I", "-S", "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_runs_where_no_package_is_installed(project, tmp_path):
    """Not even Django or Celery; its JSON has all that the text has."""
    project({"shop/tasks.py": declared("acks_late=True, rate_limit='1/s'"), "shop/base.py": BASES})
    done = run_alone("scan", tmp_path, "--json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    (task,) = found["tasks"]
    assert (task["name"], task["verdict"], task["delivery"]) == (
        "shop.tasks.send",
        "line",
        "worker",
    )
    assert task["options"] == {"acks_late": True, "rate_limit": "1/s"}
    assert found["counts"]["line"] == 1
    assert task["remarks"][0]["places"] == [{"file": "shop/tasks.py", "line": 5}]
    text = run_alone("scan", tmp_path)
    assert "needs a line  shop.tasks.send  worker" in text.stdout
    assert run_alone("scan", tmp_path / "nowhere").returncode == 2
