"""Old test → new test: that a refactor lost no test, and none of its assertions.

    python tools/test_map.py OLD NEW [--notes FILE …]

Collects the tests of two checkouts by their syntax trees and prints a Markdown table with what each
asserts: `assert` statements and pytest's `raises` and `warns`, × the cases of `parametrize` if they
are literal.  A test is matched by the notes, by module and name, by name alone, then by its body,
to the most similar one that is new.  Exits with 1 if a test has no counterpart and the notes give
no reason, or if the notes name what is not there.

A line of the notes is `OLD -> NEW (REASON)`, `OLD -> deleted: REASON` or `OLD -> fewer: REASON` (it
asserts less, and why that loses nothing), in a Markdown list or table or not.  OLD and NEW are
`tests/x/test_y.py::test_z`, a whole module, `tests/x/test_y.py`, or for NEW just `::test_z`; of one
that is deleted, `OLD[CASE]` is a case.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import NamedTuple

ALIKE = 0.6  # of equal lines, from which on two bodies are those of one test
NOTE = re.compile(r"`?(tests/[^\s`|]+)`? *(?:->|→|\|) *`?(.+?)`? *\|? *$", re.MULTILINE)
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Test(NamedTuple):
    id: str
    asserts: int
    cases: int
    body: tuple[str, ...]

    @property
    def module(self) -> str:
        return self.id.partition("::")[0]

    @property
    def amount(self) -> str:
        return f"{self.asserts} × {self.cases}" if self.cases > 1 else f"{self.asserts}"


class Match(NamedTuple):
    """What became of an old test: the new one, if there is one, and how that is known."""

    old: Test
    new: Test | None
    how: str  # "same", "moved", "renamed", "noted" or "deleted"
    reason: str = ""

    @property
    def fell(self) -> bool:
        old, new = self.old, self.new
        return new is not None and (new.asserts < old.asserts or new.cases < old.cases)


class Notes:
    """What people say of tests, by id of a test or module and kind: moved, deleted or fewer."""

    def __init__(self, text: str, old: dict[str, Test], new: dict[str, Test]) -> None:
        self.said: dict[tuple[str, str], str] = {}
        for test, said in NOTE.findall(text):
            test, case, _ = test.partition("[")
            test, (kind, _, reason) = find(test, old), said.partition(":")
            if kind in ("deleted", "fewer"):
                self.said[test, "fewer" if case else kind] = reason.strip()
            elif said.startswith(("tests/", "::")):
                target, _, reason = said.partition(" ")
                self.said[test, "moved"] = find(target.partition("[")[0].strip("`"), new)
                self.said[test, "fewer"] = reason.strip("() ")

    def get(self, test: Test, kind: str) -> str:
        """What a note says of the test or, if none does, of its module; else nothing."""
        of_module = self.said.get((test.module, kind), "")
        if kind == "moved" and of_module:
            of_module = test.id.replace(test.module, of_module)
        return self.said.get((test.id, kind), of_module)


def find(id: str, tests: dict[str, Test]) -> str:
    """The id of the test that is meant: this, or the only one of its name if its module moved."""
    namesakes = [test for test in tests if test.partition("::")[2] == id.partition("::")[2]]
    return namesakes[0] if id not in tests and len(namesakes) == 1 else id


def collect(checkout: Path) -> dict[str, Test]:
    """The tests of a checkout by id, in the order of files and lines."""
    tests = {}
    for path in sorted((checkout / "tests").rglob("test_*.py")):
        module, tree = path.relative_to(checkout).as_posix(), ast.parse(path.read_text("utf-8"))
        for node in tree.body:
            if isinstance(node, Function) and node.name.startswith("test_"):
                body = tuple(line for part in node.body for line in ast.unparse(part).splitlines())
                asserts = sum(map(_asserts, ast.walk(node)))
                test = Test(f"{module}::{node.name}", asserts, _cases(node, tree), body)
                tests[test.id] = test
    return tests


def _asserts(node: ast.AST) -> bool:
    text = ast.unparse(node) if isinstance(node, ast.Call) else ""
    return isinstance(node, ast.Assert) or text.startswith(("pytest.raises(", "pytest.warns("))


def _cases(test: Function, module: ast.Module) -> int:
    """The product of the lengths of the `parametrize` lists that can be counted."""
    assigned = [node for node in module.body if isinstance(node, ast.Assign)]
    constants = {ast.unparse(node.targets[0]): node.value for node in assigned}
    cases = 1
    for decorator in test.decorator_list:
        match decorator:
            case ast.Call(func=ast.Attribute(attr="parametrize"), args=[_, values, *_]):
                values = constants.get(ast.unparse(values), values)
                cases *= len(getattr(values, "elts", [0]))
    return cases


def compare(old: dict[str, Test], new: dict[str, Test], notes: Notes) -> list[Match]:
    """What became of every old test; several may have become one."""
    matches: dict[str, Match] = {}
    for test in old.values():
        if (target := notes.get(test, "moved")) in new:
            matches[test.id] = Match(test, new[target], "noted")
        elif reason := notes.get(test, "deleted"):
            matches[test.id] = Match(test, None, "deleted", reason)
        elif test.id in new:
            matches[test.id] = Match(test, new[test.id], "same")
    by_name = defaultdict(list)
    for test in new.values():
        if test.id not in old:
            by_name[test.id.rpartition("::")[2]].append(test)
    for test in old.values():
        namesakes = by_name[test.id.rpartition("::")[2]]
        if test.id not in matches and (found := _nearest(test, namesakes, at_least=0)):
            matches[test.id] = Match(test, found, "moved")
    used = {match.new.id for match in matches.values() if match.new}
    free = [test for test in new.values() if test.id not in used]
    for test in old.values():
        if test.id not in matches:
            found = _nearest(test, free, at_least=ALIKE)
            matches[test.id] = Match(test, found, "renamed" if found else "deleted")
            free = [other for other in free if other != found]
    return [matches[test] for test in old]


def _nearest(test: Test, others: list[Test], at_least: float) -> Test | None:
    def alike(other: Test) -> float:
        return SequenceMatcher(None, test.body, other.body, autojunk=False).ratio()

    best = max(others, key=alike, default=None)
    return best if best is not None and alike(best) >= at_least else None


def problems(matches: list[Match], new: dict[str, Test], notes: Notes) -> list[str]:
    """What keeps the table from being complete."""
    wrong = [f"no reason is given: {m.old.id}" for m in matches if not m.new and not m.reason]
    old = {name for match in matches for name in (match.old.id, match.old.module)}
    there = new.keys() | {test.module for test in new.values()}
    wrong += [f"no such old test: {id}" for id, _ in notes.said if id not in old]
    moved = [new for (_, kind), new in notes.said.items() if kind == "moved"]
    return wrong + [f"no such new test: {id}" for id in moved if id not in there]


def table(matches: list[Match], new: dict[str, Test], notes: Notes) -> Iterator[str]:
    """The lines of the table, and the summary."""
    yield from ("| old test | asserts | new test | asserts | |", "|---|---|---|---|---|")
    for old, there, how, reason in matches:
        cells = ["–", "–"] if there is None else [f"`{there.id}`", there.amount]
        cells[0] = "same" if there and there.id == old.id else cells[0]
        yield f"| `{old.id}` | {old.amount} | {' | '.join(cells)} | {f'{how} {reason}'.strip()} |"
    used = {match.new.id for match in matches if match.new}
    added = [test for test in new.values() if test.id not in used]
    yield from (f"| – | – | `{test.id}` | {test.amount} | new |" for test in added)
    counts = ", ".join(f"{n} {how}" for how, n in Counter(m.how for m in matches).items())
    yield f"\n{len(matches)} old tests: {counts}; {len(added)} new tests."
    before, after = sum(m.old.asserts for m in matches), sum(t.asserts for t in new.values())
    yield f"Places that assert: {before:,} before, {after:,} after."
    fell = [match for match in matches if match.fell]
    yield f"Tests that assert less: {len(fell)}.\n"
    for old, there, *_ in fell:
        why = notes.get(old, "fewer") or "**no reason is given**"
        yield f"- `{old.id}`: {old.amount} → {there.amount if there else 0}: {why}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--notes", type=Path, action="append", default=[])
    args = parser.parse_args()
    old, new = collect(args.old), collect(args.new)
    notes = Notes("\n".join(path.read_text("utf-8") for path in args.notes), old, new)
    matches = compare(old, new, notes)
    wrong = problems(matches, new, notes)
    print(*table(matches, new, notes), sep="\n")
    print(*wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
