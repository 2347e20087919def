"""The two commands: `map` and `run`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

from tools.mutants import __doc__ as about
from tools.mutants.edits import Mutant, Place
from tools.mutants.port import choose
from tools.mutants.trees import Result, Tree


class Results:
    """Results by tree and mutant, kept as JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self._results = {tuple(key): Result(*rest) for key, rest in map(json.loads, lines)}

    def get(self, *key: str) -> Result | None:
        return self._results.get(key)

    def add(self, result: Result, *key: str) -> Result:
        self._results[key] = result
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([key, result]) + "\n")
        return result


def judge_old(old: Tree, mutant: Mutant, results: Results, seconds: float) -> Result:
    key = (old.digest, mutant.key)
    return results.get(*key) or results.add(old.judge(mutant.place, mutant.after, seconds), *key)


def judge_new(
    new: Tree, mutant: Mutant, place: Place, old: Result, results: Results, seconds: float
) -> Result:
    """With all the time it takes if the old tests kill the mutant."""
    killer = old.by if old.verdict == "killed" else ""
    limit = float("inf") if killer else seconds
    key = (new.digest, mutant.key, str(limit))
    if (known := results.get(*key)) is not None:
        return known
    result = new.judge(place, mutant.after, seconds, killer)
    if killer and result.verdict == "survived":
        result = new.judge(place, mutant.after, limit)
    return results.add(result, *key)


def table(pairs: list[tuple[Mutant, Place]], results: list[tuple[Result, Result]]) -> str:
    """The Markdown table, and the totals."""
    head = "| # | mutant | kind | old | new | old tests | new tests |"
    rows = [head, "|---|---|---|---|---|---|---|"]
    for n, ((mutant, place), both) in enumerate(zip(pairs, results, strict=True), start=1):
        old, new = (f"{one.verdict} `{_short(one.by)}`" if one.by else one.verdict for one in both)
        edit = f"`{_short(mutant.before)}` → `{_short(mutant.after)}`"
        was, now = (f"{p.file.removeprefix('src/')}:{p.line}" for p in (mutant.place, place))
        where = f"{was} → {now}" if was != now else was
        counts = " | ".join(str(one.tests) for one in both)
        rows.append(f"| {n} | {where}<br>{edit} | {mutant.kind} | {old} | {new} | {counts} |")
    killed = [old for old, _ in results if old.verdict == "killed"]
    also = [new for _, new in results if new.verdict == "killed"]
    rows += ["", f"{len(results)} mutants: the old tests kill {len(killed)}, the new {len(also)}."]
    rows.append(f"Killed by the old tests and not by the new: {len(lost(results))}.")
    return "\n".join(rows)


def lost(results: list[tuple[Result, Result]]) -> list[tuple[Result, Result]]:
    return [(o, n) for o, n in results if o.verdict == "killed" and n.verdict != "killed"]


def _short(text: str) -> str:
    text = " ".join(text.split()).replace("|", "\\|")
    return text if len(text) <= 70 else text[:69] + "…"


def run(args: argparse.Namespace, folder: Path) -> int:
    pairs = choose(args.old, args.new, args.seed, args.count, args.unmoved)
    if len(pairs) < args.count:
        print(f"only {len(pairs)} mutants can be ported", file=sys.stderr)
    trees: Queue[tuple[Tree, Tree | None]] = Queue()
    for n in range(args.jobs):
        old = Tree(args.old, folder / f"old{n}", args.maps[0])
        new = Tree(args.new, folder / f"new{n}", args.maps[1]) if len(args.maps) > 1 else None
        trees.put((old, new))
    results = Results(args.out)

    def judge(pair: tuple[Mutant, Place]) -> tuple[Result, Result]:
        old, new = trees.get()
        try:
            print(pair[0].key, file=sys.stderr, flush=True)
            was = judge_old(old, pair[0], results, args.seconds)
            if new is None:
                return was, Result("not run", 0)
            return was, judge_new(new, *pair, was, results, args.seconds)
        finally:
            trees.put((old, new))

    with ThreadPoolExecutor(args.jobs) as threads:
        both = list(threads.map(judge, pairs))
    print(table(pairs, both))
    return 1 if len(args.maps) > 1 and lost(both) else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, dest="command")
    make = commands.add_parser("map", help="store which test runs which line of a checkout")
    make.add_argument("tree", type=Path)
    make.add_argument("file", type=Path)
    compare = commands.add_parser("run", help="what the tests of both trees say to each mutant")
    compare.add_argument("old", type=Path)
    compare.add_argument("new", type=Path)
    compare.add_argument(
        "--maps", type=Path, nargs="+", required=True, help="one: OLD's tests alone are run"
    )
    compare.add_argument("--out", type=Path, required=True, help="results, added line by line")
    compare.add_argument("--seed", type=int, default=1)
    compare.add_argument("--count", type=int, default=50)
    compare.add_argument("--jobs", type=int, default=1, help="mutants tested at a time")
    compare.add_argument("--seconds", type=float, default=60, help="of tests for one mutant")
    compare.add_argument(
        "--unmoved", action="store_true", help="also files that are the same in both trees"
    )
    args = parser.parse_args()
    os.nice(10)
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        folder = Path(name)
        if args.command == "run":
            return run(args, folder)
        made = Tree(args.tree, folder / "tree").make_map()
        args.file.write_text(json.dumps(made), encoding="utf-8")
        print(f"{len(made['seconds'])} tests pass, {len(made['failed'])} fail: {made['failed']}")
        return 0


if __name__ == "__main__":
    sys.exit(main())
