"""The environment: a value is used as it stands, or refused by its name."""

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from celeriac.core.environment import env, forget_service_ports
from config.settings.parts.mail import mail_settings
from config.settings.parts.postgres import check_local, database_settings
from tests.support.servers import ROOT

POSTGRES = "postgres://celeriac:secret@database.example:5432/celeriac"


@pytest.mark.parametrize(
    "text", ["$ecret", "$PATH", "$$", "a$b", r"\$x", "{{ x }}", " s ", "a=b;c"]
)
def test_a_secret_is_used_as_it_stands(monkeypatch, text):
    """No character of it means anything."""
    monkeypatch.setenv("SOME_SECRET", text)
    assert env.str("SOME_SECRET", default="") == text


@pytest.mark.parametrize(
    ("words", "meant"), [("TRUE yes On 1 t OK Y", True), ("False no OFF 0 f n", False)]
)
def test_a_flag_is_a_word_in_any_case(monkeypatch, words, meant):
    """With blanks around it, too."""
    for word in words.split():
        monkeypatch.setenv("SOME_FLAG", f" {word} ")
        assert env.bool("SOME_FLAG", default=not meant) is meant


@pytest.mark.parametrize(
    ("read", "texts"),
    [
        (env.bool, ["ture", "enabled", "2", "-1", "none"]),
        (env.int, ["30s", "10MB", "1.5", "-3", "1e3", "0x10", "ten"]),
        (env.float, ["30s", "10 MB", "1,5", "-0.1", "nan", "inf", "5ms"]),
    ],
)
def test_what_is_no_such_value_is_refused_by_its_name(monkeypatch, read, texts):
    """Instead of being taken for something near it."""
    for text in texts:
        monkeypatch.setenv("SOME_VALUE", text)
        with pytest.raises(ImproperlyConfigured, match=r"^SOME_VALUE is '.*: write "):
            read("SOME_VALUE", default=None)


def test_numbers_lists_and_words_are_read_with_blanks_around_them(monkeypatch):
    """As people write them in files."""
    monkeypatch.setenv("SOME_VALUE", " 30 ")
    assert (env.int("SOME_VALUE"), env.float("SOME_VALUE")) == (30, 30.0)
    monkeypatch.setenv("SOME_VALUE", " a.example, b.example ,,")
    assert env.list("SOME_VALUE") == ["a.example", "b.example"]
    monkeypatch.setenv("SOME_VALUE", " Debug ")
    assert env.word("SOME_VALUE", ["INFO", "DEBUG"], default="INFO") == "DEBUG"
    with pytest.raises(ImproperlyConfigured, match="SOME_VALUE is 'Debug': write one of json"):
        env.word("SOME_VALUE", ["json", "line"], default="json")


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_a_blank_is_the_default(monkeypatch, text):
    """Compose passes an unset variable on as a blank one."""
    monkeypatch.setenv("SOME_VALUE", text)
    assert env.str("SOME_VALUE", default="x") == "x"
    assert env.int("SOME_VALUE", default=3) == 3
    assert env.bool("SOME_VALUE", default=True) is True
    assert env.list("SOME_VALUE", default=["y"]) == ["y"]
    with pytest.raises(ImproperlyConfigured, match="Set SOME_VALUE in the environment"):
        env.str("SOME_VALUE")


def test_what_kubernetes_says_of_its_services_is_nobodys_choice(monkeypatch):
    """A port that somebody chose stays."""
    for name in ("WEB_PORT", "FLOWER_PORT", "VALKEY_PORT", "POSTGRES_PORT", "SMTP_PORT"):
        monkeypatch.setenv(name, "tcp://10.0.0.1:6379")
    monkeypatch.setenv("GATEWAY_PORT", "")
    monkeypatch.setenv("OTHER_PORT", "8000")
    forget_service_ports()
    assert "OTHER_PORT" in os.environ
    left = [name for name in ("WEB_PORT", "FLOWER_PORT", "GATEWAY_PORT") if name in os.environ]
    assert left == []
    assert env.int("WEB_PORT", default=8000) == 8000


def test_what_the_databases_url_says_wins():
    """Over each default, and over Django's."""
    plain = database_settings(POSTGRES)
    assert (plain["CONN_MAX_AGE"], plain["CONN_HEALTH_CHECKS"]) == (600, True)
    assert plain["OPTIONS"]["connect_timeout"] == 5
    assert plain["OPTIONS"]["prepare_threshold"] == 0
    said = database_settings(
        f"{POSTGRES}?conn_max_age=0&conn_health_checks=FALSE&connect_timeout=9&sslmode=require"
        "&application_name=mine&prepare_threshold=none&options=-c%20statement_timeout%3D5s",
    )
    assert (said["CONN_MAX_AGE"], said["CONN_HEALTH_CHECKS"]) == (0, False)
    assert (
        said["OPTIONS"]
        | {
            "connect_timeout": 9,
            "sslmode": "require",
            "application_name": "mine",
            "prepare_threshold": None,
            "options": "-c statement_timeout=5s",
        }
        == said["OPTIONS"]
    )
    assert database_settings(f"{POSTGRES}?conn_max_age=None")["CONN_MAX_AGE"] is None
    assert database_settings(POSTGRES, prepared=False)["OPTIONS"]["prepare_threshold"] is None
    assert database_settings(f"{POSTGRES}?options=0123")["OPTIONS"]["options"] == "0123"
    pooled = database_settings(f"{POSTGRES}?pool=TRUE")
    assert (pooled["CONN_MAX_AGE"], pooled["OPTIONS"]["pool"]) == (0, True)
    sized = database_settings(POSTGRES + '?pool={"min_size":2}')
    assert sized["OPTIONS"]["pool"] == {"min_size": 2}
    assert database_settings(f"{POSTGRES}?pool=false")["CONN_MAX_AGE"] == 600


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("postgres://u:p%23s%2Fs@h/n", "p#s/s"),
        ("postgresql://u:$p$s@h/n", "$p$s"),
        ("postgres://u:p+s%25@h/n", "p+s%"),
        ("psql://u:p@ss@h/n", "p@ss"),
    ],
)
def test_a_databases_password_may_hold_anything(url, password):
    """Percent-encoded where a URL needs it."""
    assert database_settings(url)["PASSWORD"] == password


def test_a_databases_host_may_be_a_sockets_folder():
    """Written as libpq does, in any case of letters."""
    assert database_settings("postgres://u@%2Frun%2FPG/n")["HOST"] == "/run/PG"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite:///x.db", "begins with sqlite"),
        ("mysql://u:p@h/n", "begins with mysql"),
        ("postgres://u:hunter#2@h/n", "percent-encoded"),
        ("postgres://u:hunter/2@h/n", "percent-encoded"),
        ("postgres://u:hunter?2@h/n", "percent-encoded"),
        ("postgres://u:7?hunter@h/n", "percent-encoded"),
        ("postgres://u:hunter@h:port/n", "percent-encoded"),
        ("postgres://h/n?conn_max_age=60s", "conn_max_age is '60s'"),
        ("postgres://h/n?conn_health_checks=maybe", "conn_health_checks is 'maybe'"),
        ("postgres://h/n?pool={", "pool is no JSON"),
    ],
)
def test_a_databases_url_that_can_not_be_read_is_refused_without_its_password(url, says):
    """Instead of connecting somewhere else."""
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL") as refused:
        database_settings(url)
    assert says in str(refused.value)
    assert "hunter" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["pigeon://h", "smtp://u:p#x@h", "smtp://u:p/x@h:25", "smtp://", "anymail://postmark?x"]
)
def test_a_mail_url_that_can_not_be_read_is_refused_by_name(url):
    """At start, not at the first mail."""
    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL"):
        mail_settings(url)


LOCAL = ["postgres:///n", "postgres://localhost/n", "postgres://u:p@127.0.0.2:1/n",
         "postgres://[::1]:5/n", "postgres://%2Fvar%2Frun/n", "postgres://localhost,127.0.0.1/n",
         "postgres:///n?host=/tmp"]  # fmt: skip
ELSEWHERE = [POSTGRES, "postgres://10.0.0.1/n", "postgres://localhost,db.example/n",
             "postgres:///n?host=db.example", "postgres://localhost/n?hostaddr=10.0.0.1",
             "postgres:///n?service=live", "postgres://localhost.example/n",
             "postgres://0.0.0.0/n"]  # fmt: skip


@pytest.mark.parametrize("url", LOCAL)
def test_development_takes_a_database_on_this_machine(url):
    """A socket, loopback."""
    check_local(database_settings(url))


@pytest.mark.parametrize("url", ELSEWHERE)
def test_development_refuses_a_database_elsewhere(url):
    """DEBUG and a known key must not reach it."""
    with pytest.raises(ImproperlyConfigured, match=r"config\.settings\.production"):
        check_local(database_settings(url))


@pytest.mark.parametrize("name", ["PGHOST", "PGHOSTADDR", "PGSERVICE"])
def test_development_asks_what_libpq_would_ask(monkeypatch, name):
    """A URL without a host."""
    monkeypatch.setenv(name, "10.0.0.1")
    with pytest.raises(ImproperlyConfigured, match=r"10\.0\.0\.1"):
        check_local(database_settings("postgres:///n"))


# here only: a platform has these lines as they are, and each start takes seconds
#: Where programs and packages are, and nothing else.
BARE = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
FULL = BARE | {
    "SECRET_KEY": "$" * 50,
    "DATABASE_URL": POSTGRES,
    "BROKER_URL": "redis://127.0.0.1:1/0",
    "CACHE_URL": "redis://127.0.0.1:1/1",
    "ALLOWED_HOSTS": "a.example",
    "DEBUG": "true",
}
SAY = "from django.conf import settings as s; print(s.SETTINGS_MODULE, s.DEBUG, s.SECRET_KEY)"
ENTRANCES = [
    ["-c", f"import config.celery; {SAY}"],
    ["-c", f"import config.plain; {SAY}"],
    ["-c", f"import config.wsgi; {SAY}"],
    ["manage.py", "shell", "-v0", "-c", SAY],
]


def starts(*started):
    """Start this Python for each (arguments, environment), at once; return what they say."""
    runs = [
        subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for arguments, env in started
    ]
    return [run.communicate(timeout=120)[0].strip() for run in runs]


def test_every_process_is_one_of_production_unless_told_otherwise():
    """Without a word it refuses to start; with what production needs, it is that, without DEBUG."""
    foreign = {f"{name}_PORT": "tcp://10.0.0.1:1" for name in ("WEB", "FLOWER", "VALKEY")}
    laptop = {"DJANGO_SETTINGS_MODULE": "config.settings.development"}
    *told, weak, refused, elsewhere = starts(
        *((arguments, FULL | foreign) for arguments in ENTRANCES),
        (ENTRANCES[0], FULL | {"SIGNING_KEY_FALLBACKS": f"{'k' * 50},half-a-key"}),
        (ENTRANCES[0], BARE),
        (["manage.py", "check"], FULL | laptop),
    )
    assert [text.splitlines()[-1] for text in told] == [
        f"config.settings.production False {'$' * 50}"
    ] * len(ENTRANCES)
    assert "SIGNING_KEY_FALLBACKS holds a key of less than 50 characters" in weak
    assert "Set SECRET_KEY, DATABASE_URL, BROKER_URL" in refused
    assert "the database is on database.example" in elsewhere


# to here


def test_only_the_laptops_commands_name_development():
    """Nothing that production runs falls back to it."""
    files = [
        ROOT / "manage.py",
        ROOT / "Procfile",
        ROOT / "Dockerfile",
        ROOT / "docker-compose.yml",
    ]
    files += [*(ROOT / "config").glob("*.py"), *(ROOT / "tasks").glob("*.py")]
    assert [str(file) for file in files if "settings.development" in file.read_text()] == []
