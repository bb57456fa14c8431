"""Addresses of brokers: every form that Celery takes, in one reading."""

import pytest
import redis
from django.core.checks import run_checks
from kombu.utils.url import parse_url

from celeriac.celery.broker import Connection
from celeriac.core import broker
from celeriac.core.broker import BadAddress
from tests.support.conf import configure

#: An address, kombu's spelling of it, and what a redis-py pool gets.
READ = [
    ("redis://", "redis://127.0.0.1:6379/0", {"host": "127.0.0.1", "port": 6379, "db": 0}),
    ("redis://h", "redis://h:6379/0", {"host": "h"}),
    ("redis://h:1/3", "redis://h:1/3", {"port": 1, "db": 3}),
    ("REDIS://h/3/", "redis://h:6379/3", {"db": 3}),
    ("redis://h?db=4", "redis://h:6379/4", {"db": 4}),
    ("redis://:p%40w@h/1", "redis://:p%40w@h:6379/1", {"password": "p@w", "username": None}),
    ("redis://u:p$@#/?w@h/1", "redis://u:p%24%40%23%2F%3Fw@h:6379/1", {"password": "p$@#/?w"}),
    ("redis://[::1]:7/0", "redis://[::1]:7/0", {"host": "::1", "port": 7}),
    ("valkey://h/2", "redis://h:6379/2", {"host": "h", "db": 2}),
    (
        "redis+socket:///run/a b?virtual_host=2",
        "redis+socket:///run/a%20b?virtual_host=2",
        {"path": "/run/a b", "db": 2},
    ),
    (
        "redis+socket://:pw@/run/s",
        "redis+socket://:pw@/run/s?virtual_host=0",
        {"path": "/run/s", "password": "pw"},
    ),
    ("valkey+socket:///run/s", "redis+socket:///run/s?virtual_host=0", {"path": "/run/s"}),
    ("unix:///run/s?db=1", "redis+socket:///run/s?virtual_host=1", {"path": "/run/s", "db": 1}),
    ("rediss://h", "rediss://h:6379/0?ssl_cert_reqs=required", {"ssl_cert_reqs": "required"}),
    (
        "valkeys://h?ssl_cert_reqs=CERT_NONE",
        "rediss://h:6379/0?ssl_cert_reqs=none",
        {"ssl_cert_reqs": "none"},
    ),
    (
        "rediss://h?ssl_cert_reqs=Optional&ssl_ca_certs=/a",
        "rediss://h:6379/0?ssl_ca_certs=%2Fa&ssl_cert_reqs=optional",
        {"ssl_ca_certs": "/a"},
    ),
]
#: What is refused, and a word of the reason.
REFUSED = [
    ("amqp://h", "amqp"),
    ("sqs://", "sqs"),
    ("memory://", "memory"),
    ("nonsense", "scheme"),
    ("", "scheme"),
    ("redis://a/0;redis://b/0", "Several hosts"),
    ("redis://a;b", "Several hosts"),
    ("redis://h/zero", "database"),
    ("redis://h:99999", "port"),
    ("redis://h:x", "host and port"),
    (f"redis://{'a' * 300}", "host's name"),
    ("redis://h?socket_timeout=5", "socket_timeout"),
    ("redis://h?ssl_cert_reqs=none", "rediss://"),
    ("rediss://h?ssl_cert_reqs=perhaps", "ssl_cert_reqs"),
    ("redis+socket://", "path"),
    ("sentinel://h", "master_name"),
]


@pytest.mark.parametrize(("url", "celery", "pool"), READ)
def test_an_address_is_the_same_server_for_kombu_and_redis_py(url, celery, pool):
    """Kombu gets a spelling that it reads, redis-py its options."""
    address = broker.read_address(url)
    assert address.celery == broker.celery_url(url) == celery
    assert broker.read_address(celery).celery == celery
    options = address.pool().connection_kwargs
    assert options.items() >= pool.items()
    if address.form != "socket":
        theirs = parse_url(celery)
        assert (theirs["hostname"] or "", theirs["password"]) == (
            options["host"],
            options["password"],
        )
    Connection(celery).transport  # noqa: B018 kombu refuses here what it can't use


@pytest.mark.parametrize(("url", "word"), REFUSED)
def test_what_can_not_be_used_is_refused_with_the_reason(url, word):
    """Both as a redis error, which a guarded call survives, and as a ValueError."""
    with pytest.raises(BadAddress, match=word) as refusal:
        broker.broker_client(url)
    assert isinstance(refusal.value, redis.RedisError | ValueError)
    assert broker.celery_url(url) is not None


def test_a_refusal_shows_no_password():
    """It goes into logs and answers."""
    for url, _ in REFUSED:
        secret = url.replace("://", "://user:hunter2@")
        with pytest.raises(BadAddress) as refusal:
            broker.broker_client(secret)
        assert "hunter2" not in str(refusal.value)


def test_sentinels_are_read_from_either_place(settings):
    """The master's name may stand in the address or among Celery's transport options."""
    url = "sentinel://:pw@a:1/2;sentinel://b:26379;c?master_name=mine"
    address = broker.read_address(url)
    wanted = "sentinel://:pw@a:1/2;sentinel://:pw@b:26379/2;sentinel://:pw@c:26379/2"
    assert address.celery == wanted
    assert broker.celery_options(url) == {"master_name": "mine"}
    pool = address.pool()
    assert (pool.service_name, pool.connection_kwargs["db"]) == ("mine", 2)
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"master_name": "theirs"}
    assert broker.read_address(wanted).pool().service_name == "theirs"


@pytest.mark.parametrize("name", ["NUDGE_URL", "BREAKERS_STORE_URL", "CACHE_URL"])
def test_the_check_names_the_setting(settings, name):
    """Before the first job, not at it."""
    configure(settings, **{name: "amqp://guest:guest@rabbit//"})
    (found,) = [each for each in run_checks() if each.id == "celeriac_jobs.E006"]
    assert name in found.msg
    assert "amqp" in found.msg
