"""Mutants of a tiny project whose code moves to another room."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tools.mutants.edits import mutants, mutate
from tools.mutants.port import Sources, choose, port
from tools.mutants.trees import Result, Tree

ROOT = Path(__file__).parents[2]
CODE = '''
def clamp(value: int = 1) -> int:
    """At least 0, at most 10."""
    if value > 10 and not value < 0:
        return 10
    return max(value, 0)


class Counter:
    def add(self, seen: list[int]) -> None:
        seen.append(1)
        seen.append(2)
'''
TESTS = """
from trueline.{module} import clamp, Counter

def test_clamp():
    assert clamp(11) == 10

def test_clamp_below():
    assert clamp(-1) == 0

def test_add():
    seen = []
    Counter().add(seen)
    assert seen == [1, 2]
"""


def project(root: Path, file: str, code: str, tests: str = TESTS) -> Path:
    path = root / "src/trueline" / file
    path.parent.mkdir(parents=True)
    path.write_text(code)
    (root / "src/trueline/__init__.py").touch()  # else an installed trueline would be imported
    (root / "tests").mkdir()
    module = file.removesuffix(".py").replace("/", ".")
    (root / "tests/test_it.py").write_text(tests.replace("{module}", module))
    return root


def map_of(tree: Path, file: str) -> Path:
    """A map in which every test covers every line."""
    text = (tree / "src/trueline" / file).read_text()
    tests = [f"tests/test_it.py::{name}" for name in ("test_clamp", "test_clamp_below", "test_add")]
    lines = {n: [0, 1, 2] for n in range(1, len(text.splitlines()) + 1)}
    found = {"seconds": dict.fromkeys(tests, 0.1), "lines": {f"src/trueline/{file}": lines}}
    path = tree.parent / f"{tree.name}.map"
    path.write_text(json.dumps(found))
    return path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return project(tmp_path / "old", "plain.py", CODE)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return project(tmp_path / "new", "room/moved.py", "# moved\nA = 1\n\n" + CODE)


def test_every_kind_of_edit_is_found_where_code_runs(old):
    found = {(m.place.line, m.kind, m.before, m.after) for m in mutants(old)}
    assert found == {
        (4, "and/or", "value > 10 and not value < 0", "((value > 10) or (not value < 0))"),
        (4, "negated if", "value > 10 and not value < 0", "(not (value > 10 and (not value < 0)))"),
        (4, "comparison", "value > 10", "(value >= 10)"),
        (4, "comparison", "value < 0", "(value <= 0)"),
        (4, "dropped not", "not value < 0", "(bool(value < 0))"),
        (4, "0/1", "0", "1"),
        (5, "return None", "return 10", "return None"),
        (6, "return None", "return max(value, 0)", "return None"),
        (6, "min/max/any/all", "max", "min"),
        (6, "0/1", "0", "1"),
        (11, "dropped call", "seen.append(1)", "pass"),
        (11, "0/1", "1", "0"),
        (12, "dropped call", "seen.append(2)", "pass"),
    }


def test_an_edit_keeps_all_else_also_behind_letters_of_two_bytes_and_over_lines(tmp_path):
    source = 'def f(x):\n    return ("é", x - 1,\n        x or\n        2)  # ö\n'
    tree = project(tmp_path / "p", "a.py", source)
    edits = {m.kind: mutate(source, m.place, m.after) for m in mutants(tree)}
    assert edits["+/-"] == source.replace("x - 1", "((x) + (1))")
    assert edits["and/or"] == source.replace("x or\n        2", "((x) and (2))")


def test_a_mutant_goes_where_its_lines_and_their_function_went(old, new):
    before, after = Sources(old), Sources(new)
    places = {m.key: (m.place, port(m, before, after)) for m in mutants(old)}
    assert all(
        there == here._replace(
            file="src/trueline/room/moved.py", line=here.line + 3, end_line=here.end_line + 3
        )
        for here, there in places.values()
    )  # fmt: skip


def test_a_mutant_of_lines_that_are_gone_or_stand_in_another_function_is_not_ported(old, tmp_path):
    other = (
        "def other(value):\n    print(1)\n    print(2)\n    print(3)\n    return max(value, 0)\n"
    )
    new = project(tmp_path / "other", "plain.py", other)
    assert [port(m, Sources(old), Sources(new)) for m in mutants(old)] == [None] * 13


def test_the_order_is_seeded_one_mutant_a_line_and_none_of_files_that_stay(old, new):
    chosen = choose(old, new, seed=3, count=99)
    assert chosen == choose(old, new, seed=3, count=99) != choose(old, new, seed=4, count=99)
    assert sorted(mutant.place.line for mutant, _ in chosen) == [4, 5, 6, 11, 12]
    assert choose(old, old, seed=3, count=99) == []
    assert len(choose(old, old, seed=3, count=2, unmoved=True)) == 2


def test_a_tree_tells_killed_from_survived_uncovered_and_a_comparison_of_source_text(old, tmp_path):
    with (old / "tests/test_it.py").open("a") as tests:
        tests.write(
            "\ndef test_text():\n    import trueline.plain as p\n"
            f"    assert open(p.__file__).read() == {CODE!r}\n"
        )
    tree = Tree(old, tmp_path / "copy", map_of(old, "plain.py"))
    edits = {(m.place.line, m.kind): m for m in mutants(old)}

    def verdict(line: int, kind: str) -> Result:
        mutant = edits[line, kind]
        return tree.judge(mutant.place, mutant.after, seconds=60)

    assert verdict(6, "min/max/any/all") == Result(
        "killed", 3, "tests/test_it.py::test_clamp_below"
    )
    assert verdict(4, "dropped not").verdict == "killed"
    assert verdict(4, "and/or").verdict == "survived"
    assert verdict(4, "0/1").verdict == "survived"
    stays = edits[4, "0/1"]
    assert tree.judge(stays.place._replace(line=99, end_line=99), "1", 60).verdict == "uncovered"
    best = edits[6, "min/max/any/all"]
    tree._map["lines"] = {}
    unmapped = tree.judge(best.place, best.after, 0, "tests/other.py::test_clamp_below")
    assert unmapped == Result("killed", 0, "tests/test_it.py::test_clamp_below")
    tree._map["seconds"] = {"tests/test_it.py::test_text": 0.1}
    tree._map["lines"] = {"src/trueline/plain.py": {"4": [0]}}
    assert verdict(4, "0/1").verdict == "source"
    assert (tree.root / "src/trueline/plain.py").read_text() == CODE


def test_a_run_ends_with_1_if_the_new_tests_let_a_mutant_live_and_keeps_its_results(
    old, new, tmp_path
):
    weak = new / "tests/test_it.py"
    weak.write_text(weak.read_text().replace("assert seen == [1, 2]", "assert seen"))
    out = tmp_path / "out.jsonl"
    maps = [str(map_of(old, "plain.py")), str(map_of(new, "room/moved.py"))]
    command = [sys.executable, "-m", "tools.mutants", "run", str(old), str(new), "--maps", *maps]
    command += ["--out", str(out), "--count", "2", "--jobs", "2", "--seed", "20"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1, done.stderr
    lives, dies = sorted(row for row in done.stdout.splitlines() if "plain.py" in row)
    assert "plain.py:12 → trueline/room/moved.py:15" in lives
    assert "| killed `tests/test_it.py::test_add` | survived | 3 | 3 |" in lives
    assert "plain.py:5 → trueline/room/moved.py:8" in dies
    assert dies.count("killed `tests/test_it.py::test_clamp`") == 2
    assert "2 mutants: the old tests kill 2, the new 1." in done.stdout
    known = out.read_text()
    again = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (again.stdout, out.read_text()) == (done.stdout, known)


def test_the_map_says_which_test_runs_which_line(old, tmp_path):
    with (old / "tests/test_it.py").open("a") as tests:
        tests.write("\ndef test_fails():\n    assert clamp(1) == 2\n")
    found = Tree(old, tmp_path / "copy").make_map()
    names = list(found["seconds"])
    assert found["failed"] == ["tests/test_it.py::test_fails"]
    lines = found["lines"]["src/trueline/plain.py"]
    covered = {line: [names[n].rpartition("::")[2] for n in lines[line]] for line in (5, 6, 11)}
    assert covered == {5: ["test_clamp"], 6: ["test_clamp_below"], 11: ["test_add"]}
