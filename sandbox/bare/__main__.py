"""`make bare DIR=../acme`: makes a new platform out of this clone's own files, without its shop.

There is one truth: each file is this clone's, read now. What of it is the clone's alone stands
between two lines, `# here only:` and `# to here`, or on one that ends with `# here only`, and is
left out. `sandbox/bare/files` has what an empty domain says instead. The library goes along as a
wheel.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from sandbox.bare.cutting import CutError, cut_file, replace_once
from sandbox.bare.following import follow_imports
from sandbox.platform import ROOT

OWN = Path(__file__).parent / "files"
#: What goes along, with what it imports: files by folder, and whole folders.
FILES = {
    ".": """manage.py flowerconfig.py Procfile Makefile docker-compose.yml Dockerfile .dockerignore
        .gitignore .python-version .squawk.toml .ci/run pyproject.toml apps/__init__.py""",
    "requirements": "base.txt dev.txt uv.txt",
    "sandbox": """__init__.py administrator.py audit.py bootstrap.py lint.py reloading.py run.py
        supervisor_process.py up.py""",
    "tests": "__init__.py conftest.py factories.py acceptance/conftest.py",
    "tests/support": "__init__.py forkserver.py leftovers.py servers.py",
    "tests/unit/config": """test_environment.py test_laptop.py test_plain.py
        test_slot_directory.py test_web.py""",
    "tests/integration/accounts": "test_sign_ins.py",
}
FOLDERS = (
    *("config", "apps/accounts", "sandbox/common", "sandbox/mailsink", "sandbox/servers"),
    "deploy",
)
#: Where the library lies there, a wheel.
WHEELS = "wheels"
#: What stands for the platform's name, which is its folder's.
NAME = "NAME-OF-THE-PLATFORM"
#: What reads otherwise there.
REPLACED = {
    ".dockerignore": (("!celeriac\n", f"!{WHEELS}\n"),),
    "Dockerfile": (
        ("COPY requirements/", f"COPY {WHEELS} /{WHEELS}\nCOPY requirements/"),
        ("COPY celeriac celeriac\n", ""),
    ),
    "Makefile": (("report --fail-under=85\n", "report --fail-under=80\n"),),  # its suite is small
    "docker-compose.yml": (("\nname: celeriac\n", f"\nname: {NAME}\n"),),
    "sandbox/up.py": (("    gateway  http://{host}:{gateway}   mail sink", "    mail sink"),),
}
READY = """A platform without a domain lies in {place}. Next:

    cd {place}
    make test     # its own suite
    make up       # the whole platform, in the foreground

README.md there says where your first kind goes.
"""


def main(arguments: list[str]) -> int:
    """Make the platform in a folder that is empty or not there; return the exit code."""
    if len(arguments) != 1:
        print("Say where the platform is to lie: make bare DIR=../acme", file=sys.stderr)
        return 2
    place = Path(arguments[0]).resolve()
    if place.exists() and any(place.iterdir()):
        print(f"{place} is not empty: name a folder that is.", file=sys.stderr)
        return 1
    try:
        make_platform(place)
    except CutError as error:
        print(f"This clone can't be made bare: {error}", file=sys.stderr)
        return 1
    print(READY.format(place=arguments[0]), end="")
    return 0


def make_platform(place: Path) -> None:
    """Write every file of the platform, and bring the code into form; raises CutError."""
    for file in sources():
        name = file.relative_to(ROOT).as_posix()
        text = replace_once(name, cut_file(name, file), REPLACED.get(name, ()))
        if name == "pyproject.toml":
            text = (OWN.parent / "project.toml").read_text() + text
        write_like(file, place / name, text.replace(NAME, place.name))
    for file in sorted(OWN.rglob("*.*")):
        if "__pycache__" not in file.parts:
            write_like(
                file, place / file.relative_to(OWN), file.read_text().replace(NAME, place.name)
            )
    require_wheel(place)
    for arguments in (["check", "--fix-only"], ["format"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--quiet", "--no-cache", "."]
        subprocess.run(command, cwd=place, check=True)


def sources() -> list[Path]:
    """Return the files of this clone that go along."""
    found = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.*"))]
    found = [file for file in found if file.is_file() and "__pycache__" not in file.parts]
    named = [ROOT / folder / name for folder in FILES for name in FILES[folder].split()]
    return follow_imports(named + found)


def write_like(source: Path, target: Path, text: str) -> None:
    """Write a text where it belongs, executable where its source is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    target.chmod(source.stat().st_mode)


def require_wheel(place: Path) -> None:
    """Build the library's wheel into the platform, and pin it there by its hash."""
    into = place / WHEELS
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(into)]
    done = subprocess.run([*command, ROOT], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CutError(f"its wheel can't be built:\n{done.stdout}{done.stderr}")
    (wheel,) = into.glob("celeriac-*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    for name in ("base", "dev"):
        with (place / "requirements" / f"{name}.txt").open("a") as pins:
            pins.write(f"./{WHEELS}/{wheel.name} \\\n    --hash=sha256:{digest}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
