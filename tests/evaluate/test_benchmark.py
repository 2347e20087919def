"""A benchmark's TOML: what it may say, and what is said of one that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from trueline.evaluate.benchmarks.benchmark import (
    GROUPS,
    describe_benchmark,
    load_suite,
    parse_benchmark,
    select_benchmarks,
)
from trueline.files.errors import InputError
from trueline.policy.load import load

POLICY = load()
WHOLE = """\
name = "tea"
about = "Questions about tea."
group = "capability"
license = "CC0-1.0"
citation = "ours"

[file]
path = "tea.jsonl"

[item]
prompt = "question"
answers = "[answer]"

[[metric]]
question = "correct"
by = "contains"
"""


def test_a_whole_one_is_read_and_described() -> None:
    one = parse_benchmark(WHOLE, "tea.toml", POLICY)
    assert (one.name, one.ask.kind, one.metric[0].better) == ("tea", "generate", "higher")
    assert describe_benchmark(one)["metrics"] == ["correct by contains"]
    assert describe_benchmark(one)["source"] == "tea.jsonl"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("group =", "grupp =", "unknown field `grupp`"),
        ("prompt =", "promt =", "unknown field `promt` - at `$.item`"),
        ("by =", "bye =", "unknown field `bye` - at `$.metric[0]`"),
        ("path =", "pfad =", "unknown field `pfad` - at `$.file`"),
        ('name = "tea"', 'name = "Tea time"', "at `$.name`"),
        ('about = "Questions about tea."\n', "", "missing required field `about`"),
        ("name =", "name = =", "line 1"),
        ('"capability"', '"beverages"', "group 'beverages' is none of harmfulness"),
        ('question = "correct"', 'question = "tasty"', "no question 'tasty'; it has:"),
        ('question = "correct"', 'question = "safer"', "'safer' is about the pair"),
        ('question = "correct"', 'question = "refusal"', "say with value which answers count"),
        ('by = "contains"', 'by = "judge"\nvalue = ["yes"]', "'yes' is no answer to 'correct'"),
        ('by = "contains"', 'by = "judge"\nvalue = [1]', "1 is no answer to 'correct'"),
        ('prompt = "question"', "", "item needs either prompt or turns"),
        ("prompt =", 'turns = "[a]"\nprompt =', "item needs either prompt or turns"),
        ('[file]\npath = "tea.jsonl"', "", "it needs [file] or [hub]"),
        ("[file]", "[hub]", "hub needs repo, written ORG/NAME"),
        ("[item]", '[ask]\nkind = "song"\n[item]', "ask.kind 'song' is none of choice"),
        ("[item]", '[ask]\nkind = "choice"\n[item]', "needs item.options and item.gold"),
        ("[item]", "[ask]\nmax_tokens = 0\n[item]", "at `$.ask.max_tokens`"),
        ("[file]", "sample = 0\n[file]", "at `$.sample`"),
        (
            'by = "contains"',
            'by = "contains"\n[[metric]]\nquestion = "correct"\nby = "contains"',
            "'correct' by 'contains' is there twice",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(old: str, new: str, said: str) -> None:
    assert old in WHOLE
    with pytest.raises(InputError) as error:
        parse_benchmark(WHOLE.replace(old, new, 1), "tea.toml", POLICY)
    assert str(error.value).startswith("tea.toml: ") and said in str(error.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    wrong = WHOLE.replace('"capability"', '"x"').replace('question = "correct"', 'question = "y"')
    with pytest.raises(InputError) as error:
        parse_benchmark(wrong, "tea.toml", POLICY)
    assert len(str(error.value).splitlines()) == 2


def test_text_that_is_deeply_nested_ends_in_a_message() -> None:
    with pytest.raises(InputError, match=r"tea\.toml"):
        parse_benchmark(WHOLE + "x = " + "[" * 100_000, "tea.toml", POLICY)


def test_names_groups_and_files_are_chosen(tmp_path: Path) -> None:
    mine = tmp_path / "tea.toml"
    mine.write_text(WHOLE)
    found = select_benchmarks(["over-refusal", "xstest-safe", str(mine)], POLICY)
    assert [one.name for one in found if one.group != "over-refusal"] == ["tea"]
    assert len({one.name for one in found}) == len(found)
    assert [one.name for one in select_benchmarks(["all"], POLICY)] == list(load_suite())
    assert set(GROUPS) <= {one.group for one in load_suite().values()}


def test_an_installed_package_brings_benchmarks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, info = tmp_path / "tiny_benchmarks", tmp_path / "tiny-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text("")
    (package / "tea.toml").write_text(WHOLE)
    (info / "METADATA").write_text("Name: tiny\nVersion: 1.0\n")
    points = "[trueline.benchmarks]\ntiny = tiny_benchmarks\n"
    (info / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("tea", "tiny"):
        assert [one.name for one in select_benchmarks([name], POLICY)] == ["tea"]
    assert "tea" not in [one.name for one in select_benchmarks(["all"], POLICY)]
    with pytest.raises(InputError, match=r"'tee', and it is no \.toml file: did you mean tea"):
        select_benchmarks(["tee"], POLICY)


def test_what_cannot_be_chosen(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no benchmark or group is named 'xtest'"):
        select_benchmarks(["xtest"], POLICY)
    with pytest.raises(InputError, match="cannot be read"):
        select_benchmarks([str(tmp_path / "none.toml")], POLICY)
    (tmp_path / "broken.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(InputError, match="UTF-8"):
        select_benchmarks([str(tmp_path / "broken.toml")], POLICY)
    twin = tmp_path / "twin.toml"
    twin.write_text(WHOLE.replace('"tea"', '"xstest-safe"'))
    with pytest.raises(InputError, match="two benchmarks are named 'xstest-safe'"):
        select_benchmarks(["xstest-safe", str(twin)], POLICY)


def test_how_items_are_asked_has_a_hash_of_its_own() -> None:
    one = parse_benchmark(WHOLE, "tea.toml", POLICY)
    other = parse_benchmark(
        WHOLE.replace('"question"', "\"question ~ '?'\"", 1), "tea.toml", POLICY
    )
    same = parse_benchmark(WHOLE.replace("Questions about tea.", "On tea."), "tea.toml", POLICY)
    assert one.asking_hash == same.asking_hash != other.asking_hash
