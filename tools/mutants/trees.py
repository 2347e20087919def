"""Copies of checkouts: which test runs which line, and what the tests say to a mutant."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tools.mutants.edits import PACKAGE, Place, mutate

NO_TESTS = 5  # pytest's exit code
TRIES = 5  # tests that fail whatever is changed, before a mutant is given up
LEFT_OUT = shutil.ignore_patterns(".git", ".*_cache", "__pycache__", ".venv", ".hypothesis")
COVERAGE = """\
[run]
source = {root}/{package}
data_file = {root}/.mutants/coverage
context = ${{PYTEST_CURRENT_TEST-}}
patch = subprocess
"""


class Result(NamedTuple):
    verdict: str
    tests: int  # how many cover the lines
    by: str = ""  # the test that failed first


class Tree:
    """A copy of a checkout to run and to mutate; the folder must not be there yet."""

    def __init__(self, checkout: Path, root: Path, map_file: Path | None = None) -> None:
        self.root, self.digest = root, tree_digest(checkout)
        shutil.copytree(checkout, root, ignore=LEFT_OUT)
        (root / ".mutants").mkdir()
        # checked by contents: a mutant can have its file's size and second of writing
        compiler = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode=checked-hash"]
        subprocess.run([*compiler, str(root / "src")], check=True)
        self._environment = {
            "TRUELINE_SHARED_DATA": str(checkout.resolve().parent / "shared" / "data"),
            **os.environ,
            "PYTHONPATH": f"{root / 'src'}{os.pathsep}{Path(__file__).parent}",
            "OMP_NUM_THREADS": "1",
        }
        self._environment.pop("PYTEST_CURRENT_TEST", None)  # it would name this very run
        self._map = {} if map_file is None else json.loads(map_file.read_text(encoding="utf-8"))
        if self._map.get("digest", self.digest) != self.digest:
            # it may name too few tests, so that a mutant lives; one that is killed stays killed
            print(f"{map_file} is of an earlier state of {checkout}", file=sys.stderr)

    def make_map(self) -> dict[str, Any]:
        """The map: seconds by test that passes, and by file and line the tests that run it."""
        settings = self.root / ".mutants/coveragerc"
        settings.write_text(COVERAGE.format(root=self.root, package=PACKAGE), encoding="utf-8")
        coverage = [sys.executable, "-m", "coverage"]
        run = [*coverage, "run", f"--rcfile={settings}"]
        self._pytest(None, [], None, run, {"MUTANTS_COVERAGE": "1"})
        outcomes = self._outcomes()
        suspects = sorted({test for test, outcome, _ in outcomes if outcome == "failed"})
        if suspects:  # some measure time or threads, and fail under coverage alone
            self._pytest(suspects, [], None)
            outcomes = [o for o in outcomes if o[0] not in suspects] + self._outcomes()
        failed = {test for test, outcome, _ in outcomes if outcome == "failed"}
        seconds: dict[str, float] = defaultdict(float)
        for test, _, took in outcomes:
            if test not in failed:
                seconds[test] += took
        subprocess.run([*coverage, "combine", "-q", f"--rcfile={settings}"], cwd=self.root)
        return {
            "digest": self.digest,
            "failed": sorted(failed),
            "seconds": {test: round(took, 2) for test, took in seconds.items()},
            "lines": self._lines(list(seconds)),
        }

    def _lines(self, tests: list[str]) -> dict[str, dict[int, list[int]]]:
        from coverage import CoverageData

        data = CoverageData(str(self.root / ".mutants/coverage"))
        data.read()
        number = {test: n for n, test in enumerate(tests)}
        lines: dict[str, dict[int, list[int]]] = {}
        for path in data.measured_files():
            file = Path(path).relative_to(self.root).as_posix()
            # the context of a process that a test started ends with " (call)"
            lines[file] = {
                line: sorted({number[t] for c in found if (t := _test_of(c)) in number})
                for line, found in data.contexts_by_lineno(path).items()
            }
        return lines

    def tests(self, place: Place, seconds: float) -> tuple[int, list[str]]:
        """How many tests run the lines, and which to run: these, then the others of their files
        (what is shared or cached runs under the first test alone), as many as fit in the time."""
        took, lines = self._map["seconds"], self._map["lines"].get(place.file, {})
        names = list(took)  # the map has them by number
        span = range(place.line, place.end_line + 1)
        covering = {names[n] for line in span for n in lines.get(str(line), ())}
        files = {_file_of(test) for test in covering}
        near = [test for test in names if _file_of(test) in files]
        order = sorted(near, key=lambda t: (t not in covering, took[t] > 1, _file_of(t)))
        chosen: list[str] = []
        for test in order:
            seconds -= took[test]
            if seconds > 0 or not chosen:
                chosen.append(test)
        return len(covering), chosen

    def judge(self, place: Place, after: str, seconds: float, killer: str = "") -> Result:
        """What the tests say to a mutant; first the one that has the name of `killer`, which
        kills it in the other tree."""
        covering, tests = self.tests(place, seconds)
        name = killer.partition("::")[2]
        first = [test for test in self._map["seconds"] if name and test.endswith(f"::{name}")]
        tests = [*first, *(test for test in tests if test not in first)]
        tests = [test for test in tests if (self.root / _file_of(test)).exists()]
        if not tests:
            return Result("uncovered", 0)
        verdict, by = "survived" if covering else "uncovered", ""
        for _ in range(TRIES):
            with self._other_text(place.file, lambda source: mutate(source, place, after)):
                failed = self.first_failure(tests)
            if failed is None:
                break
            with self._other_text(place.file, lambda source: source + "\n# a comment\n"):
                if failed not in tests or self.first_failure([failed]) is None:
                    return Result("killed", covering, failed)
            verdict, by = "source", failed
            tests.remove(failed)
        return Result(verdict, covering, by)

    def first_failure(self, tests: list[str]) -> str | None:
        """The first test that fails, or what else goes wrong; None if all pass."""
        limit = 60 + 3 * sum(self._map["seconds"].get(test, 1) for test in tests)
        code, output = self._pytest(tests, ["-x"], limit)
        if code is None:
            return f"no end within {limit:.0f} s"
        if code == NO_TESTS:
            return None
        if code > 2:
            raise SystemExit(output)
        failed = (test for test, outcome, _ in self._outcomes() if outcome == "failed")
        return next(failed, "collection") if code else None

    @contextlib.contextmanager
    def _other_text(self, file: str, edit: Any) -> Iterator[None]:
        path = self.root / file
        source = path.read_text(encoding="utf-8")
        try:
            path.write_text(edit(source), encoding="utf-8")
            yield
        finally:
            path.write_text(source, encoding="utf-8")

    def _pytest(
        self,
        tests: list[str] | None,
        options: list[str],
        limit: float | None,
        runner: list[str] | None = None,
        variables: dict[str, str] | None = None,
    ) -> tuple[int | None, str]:
        """The exit code (None: it did not end) and the end of the output."""
        wanted, log = self.root / ".mutants/tests", self.root / ".mutants/log"
        log.write_text("", encoding="utf-8")
        environment = {**self._environment, "MUTANTS_LOG": str(log), **(variables or {})}
        if tests is not None:
            wanted.write_text(json.dumps(tests), encoding="utf-8")
            environment["MUTANTS_TESTS"] = str(wanted)
            options = [*options, *sorted({_file_of(test) for test in tests})]
        command = [*(runner or [sys.executable]), "-m", "pytest", "-q", "-p", "mutants_plugin"]
        command += ["-p", "no:cacheprovider", "-m", "not slow", *options]
        with (self.root / ".mutants/output").open("w+", encoding="utf-8") as output:
            process = subprocess.Popen(
                command, cwd=self.root, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
            try:
                code: int | None = process.wait(limit)
            except subprocess.TimeoutExpired:
                code = None
            with contextlib.suppress(ProcessLookupError):  # what the tests left running
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            output.seek(0)
            return code, output.read()[-3000:]

    def _outcomes(self) -> list[tuple[str, str, float]]:
        log = (self.root / ".mutants/log").read_text(encoding="utf-8")
        return [tuple(json.loads(line)) for line in log.splitlines()]


def tree_digest(checkout: Path) -> str:
    """A hash of the code and the tests."""
    found = hashlib.blake2b(digest_size=8)
    for path in sorted(p for part in ("src", "tests") for p in (checkout / part).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            found.update(path.relative_to(checkout).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def _file_of(test: str) -> str:
    return test.partition("::")[0]


def _test_of(context: str) -> str:
    for phase in ("setup", "call", "teardown"):
        context = context.removesuffix(f" ({phase})")
    return context.partition("|")[2] if context.startswith("|") else context
