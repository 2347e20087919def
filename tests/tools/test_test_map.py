"""What became of each test, on two trees of a few tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import test_map

OLD = '''
import pytest

CASES = [1, 2, 3]

def test_stays():
    assert 1
    with pytest.raises(ValueError):
        assert 2

@pytest.mark.parametrize("case", CASES)
async def test_loses(case):
    assert case
    assert case > 0

def test_old_name():
    value = 1 + 1
    other = value * 2
    assert value == other

def test_is_deleted():
    """Of what is deleted."""
    assert "entirely" in "else"
'''
NEW = """
import pytest

@pytest.mark.parametrize("case", [1, 2])
async def test_loses(case):
    assert case

def test_new_name():
    value = 1 + 1
    other = value * 2
    assert value == other

def test_is_new():
    assert []
"""


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    old, new = tmp_path / "old", tmp_path / "new"
    stays, others = OLD.split("@pytest", 1)
    texts = {
        old / "tests/test_a.py": OLD,
        new / "tests/test_a.py": NEW,
        new / "tests/room/test_b.py": stays,
    }
    assert others
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return old, new


def run(monkeypatch, trees: tuple[Path, Path], notes: str, tmp_path: Path) -> int:
    file = tmp_path / "notes.md"
    file.write_text(notes)
    monkeypatch.setattr("sys.argv", ["test_map", *map(str, trees), "--notes", str(file)])
    return test_map.main()


def test_a_test_is_found_in_its_module_under_its_name_elsewhere_or_by_its_body(trees):
    old, new = map(test_map.collect, trees)
    matches = test_map.compare(old, new, test_map.Notes("", old, new))
    found = [(m.how, m.new and m.new.id, m.fell) for m in matches]
    assert found == [
        ("moved", "tests/room/test_b.py::test_stays", False),
        ("same", "tests/test_a.py::test_loses", True),
        ("renamed", "tests/test_a.py::test_new_name", False),
        ("deleted", None, False),
    ]
    assert [test.asserts for test in old.values()] == [3, 2, 1, 1]
    assert [test.cases for test in old.values()] == [1, 3, 1, 1]


def test_a_deletion_needs_a_reason(trees, monkeypatch, tmp_path, capsys):
    assert run(monkeypatch, trees, "", tmp_path) == 1
    assert "no reason is given: tests/test_a.py::test_is_deleted" in capsys.readouterr().err
    notes = "- `tests/test_a.py::test_is_deleted` -> deleted: what it tested is gone\n"
    assert run(monkeypatch, trees, notes, tmp_path) == 0
    assert "| – | – | deleted what it tested is gone |" in capsys.readouterr().out


def test_what_asserts_less_is_listed_with_the_reason_if_there_is_one(
    trees, monkeypatch, tmp_path, capsys
):
    run(monkeypatch, trees, "", tmp_path)
    out = capsys.readouterr().out
    assert "- `tests/test_a.py::test_loses`: 2 × 3 → 1 × 2: **no reason is given**" in out
    assert "4 old tests: 1 moved, 1 same, 1 renamed, 1 deleted; 1 new tests." in out
    run(monkeypatch, trees, "tests/test_a.py::test_loses -> fewer: said twice", tmp_path)
    assert "2 × 3 → 1 × 2: said twice" in capsys.readouterr().out


def test_a_note_moves_a_test_or_a_module_and_names_only_what_is_there(
    trees, monkeypatch, tmp_path, capsys
):
    notes = """
| tests/test_a.py::test_old_name | tests/test_a.py::test_is_new |
- tests/test_a.py::test_is_deleted -> tests/test_a.py::test_nowhere
- tests/test_z.py -> tests/test_a.py
- tests/before/test_a.py::test_loses[1] -> deleted: another case says it
- tests/test_a.py::test_stays -> ::test_stays[a case] (in its room)
"""
    assert run(monkeypatch, trees, notes, tmp_path) == 1
    out, err = capsys.readouterr()
    assert "| `tests/test_a.py::test_is_new` | 1 | noted |" in out
    assert "no such new test: tests/test_a.py::test_nowhere" in err
    assert "no such old test: tests/test_z.py" in err
    assert "2 × 3 → 1 × 2: another case says it" in out
    assert "| `tests/room/test_b.py::test_stays` | 3 | noted |" in out
