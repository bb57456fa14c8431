"""Where callbacks may go, by text and by address, without a socket."""

import pytest

from celeriac.jobs.callbacks import addresses, checks, targets
from celeriac.jobs.callbacks.addresses import AddressRefused
from celeriac.jobs.callbacks.targets import CallbackRefused
from celeriac.jobs.errors import InvalidOption
from tests.support.conf import configure

ALLOWED = ["hooks.example.com", "http://plain.example.com:8080", "*.tenants.example", "1.1.1.1"]

LOCALHOSTS = [
    "localhost",
    "LOCALHOST",
    "localhost.",
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0.0.0.0",  # noqa: S104 nothing is bound
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "127.0.0.1.nip.io",
    "localtest.me",
    "%6c%6f%63%61%6c%68%6f%73%74",
    "①②⑦.⓪.⓪.①",
    "ⓛocalhost",
]

ODD = [
    "",
    " ",
    "hooks.example.com",
    "//hooks.example.com/",
    "https:hooks.example.com/",
    "https:/hooks.example.com/",
    "https:///hooks.example.com/",
    "https://",
    "https://:443/",
    "https://hooks.example.com:/",
    "https://hooks.example.com:0/",
    "https://hooks.example.com:22/",
    "https://hooks.example.com:80/",
    "https://hooks.example.com:65536/",
    "https://hooks.example.com:-1/",
    "https://hooks.example.com:4 43/",
    "https://hooks.example.com:٤٤٣/",
    "https://hooks.example.com./",
    "https://.hooks.example.com/",
    "https://hooks..example.com/",
    "https://user@hooks.example.com/",
    "https://user:password@hooks.example.com/",
    "https://@hooks.example.com/",
    "https://hooks.example.com@127.0.0.1/",
    "https://127.0.0.1\\@hooks.example.com/",
    "https://hooks.example.com\\.evil.example/",
    "https://hooks.example.com#@evil.example/",
    "https://evil.example#hooks.example.com",
    "https://evil.example?hooks.example.com",
    "https://hooks.example.com.evil.example/",
    "https://evilhooks.example.com/",
    "https://hooks.example.com%00.evil.example/",
    "https://hooks.example.com%2eevil.example/",
    "https://hooks.example.com\r\nHost: evil.example/",
    "https://hooks.example.com/\r\nX-Evil: 1",
    "https://hooks.example.com/\t",
    "https://hooks\n.example.com/",
    "https://hooks.example.com/a b",
    "https://hooks.example.com/ü",
    "https://[hooks.example.com]/",
    "https://[::1/",
    "https://[fe80::1%25eth0]/",
    "https://tenants.example/",
    "https://a.b.tenants.example.evil/",
    "http://hooks.example.com/",
    "http://plain.example.com/",
    "https://plain.example.com:8080/",
    "ftp://hooks.example.com/",
    "file:///etc/passwd",
    "gopher://hooks.example.com/",
    "javascript:alert(1)",
    "data:text/plain,hello",
    "unix:///run/docker.sock",
    "HTTPS+X://hooks.example.com/",
]

FORBIDDEN = [
    "0.0.0.0",  # noqa: S104 nothing is bound
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "nonsense",
    "127.1",
]


@pytest.fixture(autouse=True)
def allow(settings):
    """Allow four hosts and no network."""
    settings.CELERIAC = {**settings.CELERIAC, "CALLBACK_ALLOWED_HOSTS": ALLOWED}
    settings.CELERIAC = {**settings.CELERIAC, "CALLBACK_ALLOWED_NETWORKS": []}


@pytest.mark.parametrize("host", LOCALHOSTS)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_localhost_is_refused_however_it_is_spelled(scheme, host):
    """By the allow-list alone: nothing is resolved."""
    with pytest.raises(CallbackRefused):
        targets.checked_target(f"{scheme}://{host}/")


@pytest.mark.parametrize("url", ODD)
def test_an_odd_url_is_refused_with_words(url):
    """Whatever one parser or another would make of it."""
    with pytest.raises(CallbackRefused, match="callback_url") as caught:
        targets.checked_target(url)
    assert isinstance(caught.value, InvalidOption)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://hooks.example.com", ("https", "hooks.example.com", 443, "/")),
        ("HTTPS://Hooks.Example.COM:443/a?b=c", ("https", "hooks.example.com", 443, "/a?b=c")),
        ("http://plain.example.com:8080/x", ("http", "plain.example.com", 8080, "/x")),
        ("https://a.b.tenants.example/", ("https", "a.b.tenants.example", 443, "/")),
        ("https://1.1.1.1/", ("https", "1.1.1.1", 443, "/")),
        ("https://hooks.example.com/@evil", ("https", "hooks.example.com", 443, "/@evil")),
    ],
)
def test_what_is_on_the_list_is_taken_apart(url, expected):
    """Scheme, host and port as the connection will use them."""
    target = targets.checked_target(url)
    assert (target.scheme, target.host, target.port, target.path) == expected


def test_the_refusal_says_what_to_do():
    """An operator adds the host, or learns that callbacks are off."""
    with pytest.raises(CallbackRefused, match=r"https://other.example:443 is not on CALLBACK_ALL"):
        targets.checked_target("https://other.example/")


def test_nothing_is_allowed_without_a_list_or_a_secret(settings):
    """Off is the default."""
    settings.CELERIAC = {**settings.CELERIAC, "CALLBACK_SECRET": ""}
    with pytest.raises(CallbackRefused, match="CALLBACK_SECRET"):
        targets.checked_target("https://hooks.example.com/")
    settings.CELERIAC = {**settings.CELERIAC, "CALLBACK_ALLOWED_HOSTS": []}
    with pytest.raises(CallbackRefused, match="nothing is on"):
        targets.checked_target("https://hooks.example.com/")


def test_circuits_are_one_for_a_host_and_few_for_a_wildcard():
    """However many hosts a wildcard has, the number of circuits is bounded."""
    assert (
        targets.checked_target("https://hooks.example.com/").circuit
        == "callbacks:hooks.example.com"
    )
    plain = targets.checked_target("http://plain.example.com:8080/").circuit
    assert plain == "callbacks:plain.example.com:8080"
    shared = {
        targets.checked_target(f"https://t{n}.tenants.example/").circuit for n in range(2_000)
    }
    assert len(shared) <= targets.SHARED


@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_address_that_is_not_public_is_refused(address):
    """Private, loopback, link-local, metadata, tunnels and reserved ones."""
    assert not addresses.may_reach(address)
    with pytest.raises(AddressRefused):
        addresses.allowed_addresses(
            "hooks.example.com", 443, resolver=lambda *_: ["1.1.1.1", address]
        )


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_a_public_address_is_fine(address):
    """In either family."""
    assert addresses.may_reach(address)


def test_a_network_may_be_allowed_but_never_the_metadata(settings):
    """Not even by a list that allows everything."""
    settings.CELERIAC = {
        **settings.CELERIAC,
        "CALLBACK_ALLOWED_NETWORKS": ["10.20.0.0/16", "fd12::/16"],
    }
    assert addresses.may_reach("10.20.3.4")
    assert addresses.may_reach("::ffff:10.20.3.4")
    assert addresses.may_reach("fd12::5")
    assert not addresses.may_reach("10.21.0.1")
    settings.CELERIAC = {**settings.CELERIAC, "CALLBACK_ALLOWED_NETWORKS": ["0.0.0.0/0", "::/0"]}
    assert addresses.may_reach("127.0.0.1")
    assert not addresses.may_reach("169.254.169.254")
    assert not addresses.may_reach("::ffff:169.254.169.254")
    for metadata in ("fd00:ec2::254", "fd20:ce::254", "168.63.129.16", "192.0.0.192"):
        assert not addresses.may_reach(metadata)


def test_a_name_without_an_address_is_refused():
    """An empty answer is not a reason to try something else."""
    with pytest.raises(AddressRefused, match="no address"):
        addresses.allowed_addresses("hooks.example.com", 443, resolver=lambda *_: [])


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("CALLBACK_ALLOWED_HOSTS", ["*"], "celeriac_jobs.E101"),
        ("CALLBACK_ALLOWED_HOSTS", ["*.com"], "celeriac_jobs.E101"),
        ("CALLBACK_ALLOWED_HOSTS", ["ftp://hooks.example.com"], "celeriac_jobs.E101"),
        ("CALLBACK_ALLOWED_HOSTS", ["https://hooks.example.com/path"], "celeriac_jobs.E101"),
        ("CALLBACK_ALLOWED_HOSTS", ["hooks.example.com:http"], "celeriac_jobs.E101"),
        ("CALLBACK_ALLOWED_HOSTS", ["127.1"], "celeriac_jobs.E101"),
        ("CALLBACK_ALLOWED_NETWORKS", ["10.0.0.1/8"], "celeriac_jobs.E102"),
        ("CALLBACK_ALLOWED_NETWORKS", ["loopback"], "celeriac_jobs.E102"),
        ("CALLBACK_SECRET", "", "celeriac_jobs.E103"),
        ("CALLBACK_SECRET", "short", "celeriac_jobs.E104"),
        ("CALLBACK_SECRET_FORMER", "short", "celeriac_jobs.E104"),
    ],
)
def test_a_mistake_in_the_settings_is_found_at_start(settings, name, value, found):
    """By `manage.py check`."""
    assert checks.check_callbacks() == []
    configure(settings, **{name: value})
    assert [problem.id for problem in checks.check_callbacks()] == [found]
