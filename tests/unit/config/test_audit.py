"""`make audit` never says that all is well where nothing was looked up."""

from sandbox import audit

FINE = {"name": "django", "version": "6.0", "vulns": []}
WEAK = {"name": "celery", "version": "5.7", "vulns": [{"id": "X-1", "fix_versions": ["5.8"]}]}
LEFT = {"name": "kombu", "skip_reason": "Dependency not found and could not be audited"}


def test_it_tells_weak_from_unknown_from_well():
    """A package that could not be looked up is no good news."""
    assert audit.judge([FINE]) == (0, ["1 pinned packages audited."])
    code, lines = audit.judge([FINE, WEAK, LEFT])
    assert code == 1
    assert lines[0] == "celery 5.7: X-1, mended in 5.8"
    assert "kombu" in lines[-1]
    assert audit.judge([FINE, LEFT])[0] == 2
    assert audit.judge([LEFT]) == audit.judge([])
    assert audit.judge([LEFT])[0] == 2


def test_it_says_so_where_no_database_can_be_reached(tmp_path, monkeypatch, capsys):
    """The real pip-audit, behind a proxy that is not there."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file = tmp_path / "one.txt"
    file.write_text(f"celery==5.7.0 --hash=sha256:{'0' * 64}\n")
    assert audit.main([file]) == 2
    assert "No advisory database can be reached from here" in capsys.readouterr().out


def test_it_audits_every_pinned_file():
    """What runs in production, on a laptop, peers, what makes the site, and what installs them."""
    names = ["base.txt", "dev.txt", "peers.txt", "tools.txt", "uv.txt"]
    assert [file.name for file in audit.PINNED] == names
