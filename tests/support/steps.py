"""Does the steps of a page as its reader would: files, changes, commands, and what they show.

A block of Python that begins with `# path/of/a.py` is a file (`# path/of/a.py, below` stands below
what the file has), one that begins with `# manage.py shell` is typed there. A block of `diff`
changes the file that its `@@ path @@` names. A block without a language holds commands; what serves
goes on beside the others. A block of `text` is what the last command shows: `…` is anything.
"""

import re
import shlex
import sys
import time

from tests.support.processes import wait_until
from tests.support.servers import ROOT

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
#: What a page tells its reader to have, and a test has: the packages, an empty database.
HAD = ("pip install ", "createdb ")
#: What goes on until it is stopped, and the words by which it says that it is there.
SERVES = {"celery -A": (" ready.", "beat: Starting"), "manage.py dispatcher": ("dispatcher ready",)}
#: Seconds that a command may take, and for which one that only looks is asked again.
PATIENCE = 60


class Walk:
    """Somebody who reads pages in a folder, and does what they say."""

    def __init__(self, folder, processes, *, python=sys.executable):
        """Begin in an empty folder; `processes` starts programs there, and stops them."""
        self.folder, self._processes, self._python = folder, processes, python
        self._shown, self._job, self._last, self._serving = "", "", None, {}

    def read(self, page):
        """Do every step of a page, in its order."""
        text = (ROOT / page).read_text(encoding="utf-8")
        steps = {"python": self.python, "diff": self.change, "": self.commands, "text": self.see}
        for language, block in _BLOCK.findall(text):
            steps[language](block)

    def python(self, text):
        """Write a file, add to it, or type into the shell."""
        first, _, rest = text.partition("\n")
        name, _, below = first.removeprefix("# ").partition(", ")
        if name.startswith("manage.py shell"):
            self.run(["manage.py", "shell", "--no-imports", "-c", rest])
            return
        assert re.fullmatch(r"[\w/]+\.py", name), f"Which file is this? {first}"
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.read_text() if below else ""
        assert below in ("", "below"), first
        file.write_text(f"{before}\n{rest.lstrip()}" if below else rest.lstrip())

    def change(self, text):
        """Apply the hunks of a diff; each stands in one place of its file."""
        _, *parts = re.split(r"^@@ (\S+) @@$\n", text, flags=re.MULTILINE)
        assert parts, f"Which file does this change? {text}"
        for name, hunk in zip(parts[::2], parts[1::2], strict=True):
            lines = hunk.splitlines(keepends=True)
            old = "".join(line[1:] for line in lines if line[0] != "+")
            new = "".join(line[1:] for line in lines if line[0] != "-")
            file = self.folder / name
            before = file.read_text() if file.exists() else ""
            assert before.count(old) == 1, f"{name} has this {before.count(old)} times:\n{old}"
            file.write_text(before.replace(old, new))

    def commands(self, text):
        """Run the commands of a block, one after the other."""
        for line in text.splitlines():
            command = line.partition("  #")[0].strip()
            if command and not command.startswith(HAD):
                self.command(command)

    def command(self, command):
        """Run a command to its end, or until it serves; `ID` is the job that was shown last."""
        if "ID" in command.split():
            command = command.replace("ID", self._job)
        ready = [words for start, words in SERVES.items() if command.startswith(start)]
        arguments = shlex.split(command)
        if "createsuperuser" in arguments:
            arguments.append("--noinput")  # DJANGO_SUPERUSER_PASSWORD is what would be typed
        if ready:
            self.serve(arguments, *ready)
        else:
            self.run(arguments)

    def run(self, arguments):
        """Run a program to its end, which is a good one, and keep what it shows."""
        process = self._start(arguments)
        code = process.wait(PATIENCE)
        self._last, self._shown = arguments, process.output
        self._job = next(iter(_ID.findall(self._shown)), self._job)
        assert code == 0, f"{shlex.join(arguments)} ended with {code}:\n{self._shown}"

    def serve(self, arguments, ready):
        """Start what serves; the same again is a restart, as Ctrl-C and the command are."""
        name = " ".join(arguments[:4])
        if name in self._serving:
            self._serving.pop(name).stop()
        process = self._serving[name] = self._start(arguments)
        wait_until(
            lambda: any(words in process.output for words in ready) or not process.is_running,
            timeout=PATIENCE,
            message=f"{shlex.join(arguments)} to serve",
        )
        assert process.is_running, process.output

    def see(self, text):
        """See the lines of a block in what the last command showed, in their order."""
        pattern = ".*?".join(
            ".*?".join(re.escape(part) for part in re.split(r"\s*…\s*", line.strip()))
            for line in text.splitlines()
            if line.strip()
        ).replace(r"\ ", " +")
        deadline = time.monotonic() + PATIENCE
        while not re.search(pattern, self._shown, re.DOTALL):
            # A list is looked at again until it has what is to come; nothing else is done twice.
            looks = self._last[1:3] == ["jobs", "list"] and time.monotonic() < deadline
            assert looks, f"{self._last} shows\n{self._shown}\nand not\n{text}"
            time.sleep(0.2)
            self.run(self._last)

    def _start(self, arguments):
        """Start a program of the environment, as its name would."""
        program, *rest = arguments
        modules = {"django-admin": ["-m", "django"], "celery": ["-m", "celery"], "python": []}
        words = modules.get(program, [program])
        return self._processes.start(program, self._python, *words, *rest)
