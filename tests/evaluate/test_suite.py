"""Every benchmark of the suite is walked: its file, its items from real data or from a tiny file
of the hub's shape, and whether its own checks accept the right answers."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
from tests.builders import name_model
from tests.evaluate.places import TINY, from_hub, tiny_file

from trueline.evaluate.asking import kinds
from trueline.evaluate.benchmarks.benchmark import GROUPS, Benchmark, load_suite, parse_benchmark
from trueline.evaluate.benchmarks.items import MOST_OPTIONS, TAG, Items, read_items
from trueline.files.plugins import modules
from trueline.labellers.checks import CHECKS
from trueline.labellers.refusal.refusal import check_answerable
from trueline.labellers.registry import LabellerContext, open_labeller
from trueline.policy.load import load
from trueline.records.store.validate import why_invalid
from trueline.records.types import Choice, Constraints, Example, Reference

POLICY = load()
SUITE = load_suite()
FOLDER = resources.files("trueline").joinpath("evaluate/benchmarks/suite")
LONGEST = 25

LOCAL = [name for name, one in SUITE.items() if one.file is not None and not one.file.bundled]
BUNDLED = [name for name, one in SUITE.items() if one.file is not None and one.file.bundled]
HUB = [name for name, one in SUITE.items() if one.hub is not None]

REJECTED: dict[str, dict[str, int]] = {}
"""How many rows of the real data are no items, by benchmark and reason.  None is known."""

COUNTS = {
    "bbq-age-ambiguous": 1840, "bbq-age-clear": 1840, "bbq-nationality-ambiguous": 1540,
    "bbq-nationality-clear": 1540, "bbq-religion-ambiguous": 600, "bbq-religion-clear": 600,
    "beavertails": 700, "bipia-code": 300, "bipia-text": 300, "catqa-en": 550, "catqa-vi": 550,
    "catqa-zh": 550, "coordination-with-ais": 1080, "corrigible": 649, "corrigible-less-hhh": 351,
    "creak": 1000, "gsm8k": 1319, "harmbench-contextual": 100, "harmbench-standard": 200,
    "harmfulqa": 1960, "hh-harmless": 1125, "humaneval": 164, "ifeval": 541,
    "jailbreak-dan-11": 200, "jailbreak-developer-mode": 200, "jailbreakbench-gcg": 400,
    "jailbreakbench-pair": 237, "jailbreaks-in-the-wild": 500, "mmlu": 2000, "mmlu-health": 1640,
    "myopic-reward": 1000, "one-box": 300, "pku-safe-unsafe": 2539, "power-seeking": 998,
    "prompt-extraction": 28, "pubmedqa": 1000, "self-knowledge": 900,
    "self-knowledge-training": 300, "self-knowledge-web": 300, "selfaware-answerable": 1000,
    "selfaware-unanswerable": 1032, "strategyqa": 1000, "survival-instinct": 953,
    "truthfulqa": 817, "wealth-seeking": 985, "winogender": 720, "xstest-safe": 250,
    "xstest-unsafe": 200,
}  # fmt: skip
"""Items of the real data: another number means that rows are read otherwise."""


PLAIN = "This is an answer in plain English, which was written before anybody asked a question."


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins are written into the working folder: let that be this test's own."""
    monkeypatch.chdir(tmp_path)


def source(name: str) -> str:
    return FOLDER.joinpath(f"{name}.toml").read_text(encoding="utf-8")


# ---- the files -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SUITE)
def test_every_benchmark_is_short_documented_and_parses(name: str) -> None:
    text = source(name)
    one = parse_benchmark(text, name, POLICY)
    assert one == SUITE[name] and one.name == name
    assert len(text.splitlines()) <= LONGEST
    assert 20 <= len(one.about) <= 200 and one.about.endswith((".", "?", ")"))
    assert one.group in GROUPS and one.ask.kind in kinds()
    assert one.license and one.citation
    if name not in BUNDLED:
        for place in (one.file, one.cross):
            assert place is None or place.sha256, "data that lie in a folder are held to their hash"


@pytest.mark.parametrize("name", SUITE)
async def test_every_metric_has_someone_who_can_measure_it(name: str) -> None:
    one, known = SUITE[name], modules(CHECKS)
    for score in one.metric:
        question = POLICY[score.question]
        if score.by in known:
            assert score.question == known[score.by].QUESTION
        elif score.by == "refusal":
            check_answerable([question])
            assert {tag for tag in one.item.tags if tag == "lang"} == set() or "'en'" in str(
                one.item.tags["lang"]
            ), "the classifier reads English"
        elif score.by == "grader":
            async with open_labeller("grader", LabellerContext([question], POLICY, name_model)):
                pass
        else:
            assert score.by == "judge"
    if one.ask.kind == "choice":
        assert one.metric[0].by == "choice"


@pytest.mark.parametrize("name", SUITE)
def test_harm_has_two_instruments_and_its_direction(name: str) -> None:
    one = SUITE[name]
    wanted = {"harmfulness": "higher", "jailbreak": "higher", "over-refusal": "lower"}
    if one.group not in wanted:
        return
    refusals = [s for s in one.metric if s.question == "refusal"]
    assert [(s.value, s.better) for s in refusals] == [(("refuse",), wanted[one.group])]
    assert len({s.by for s in one.metric}) == 2 or "lang" in one.item.tags
    if one.group != "over-refusal":
        assert [s.better for s in one.metric if s.question == "safe"] == ["higher"]


def test_every_group_has_a_benchmark_and_the_tables_here_are_whole() -> None:
    assert {one.group for one in SUITE.values()} == set(GROUPS)
    assert COUNTS.keys() <= set(LOCAL)
    assert {tiny_file(SUITE[name]) for name in HUB} == set(TINY.iterdir())
    order = list(GROUPS)
    assert [order.index(one.group) for one in SUITE.values()] == sorted(
        order.index(one.group) for one in SUITE.values()
    )


# ---- items -----------------------------------------------------------------------------------


def sound(one: Benchmark, found: Items) -> None:
    """What holds for the items of every benchmark, wherever they are from."""
    assert found.examples and len({e.id for e in found.examples}) == len(found.examples)
    for example in found.examples:
        assert why_invalid(example) is None
        assert example.tag(TAG) == one.name
        assert any(m.content.strip() for m in example.prompt if m.role == "user")
        assert example.prompt[-1].role == "user"
        assert not any("{{" in m.content[:20] for m in example.prompt)
        if one.item.cluster is not None:
            assert example.tag("cluster")
        for key in one.item.tags:
            assert example.tag(key) is not None
        assert example.source is not None and example.source.license == one.license
        if isinstance(example.task, Choice):
            assert 2 <= len(example.task.options) <= MOST_OPTIONS
            assert 0 <= example.task.gold < len(example.task.options)
    if one.ask.kind == "choice" and len(found.examples) >= 100:
        places = [e.task.gold for e in found.examples if isinstance(e.task, Choice)]
        share = max(map(places.count, set(places))) / len(places)
        assert share < 0.65, "who always takes one place is to gain little by it"


def right(example: Example) -> Iterator[str]:
    """The responses that have to be right, where the task says what is right."""
    match example.task:
        case Choice(options, gold):
            yield options[gold]
        case Reference(answers):
            yield from (f"I think that it is {answer}" for answer in answers if answer.strip())


def accepted(one: Benchmark, found: Items) -> None:
    """The benchmark's own checks can judge every item, and pass what is right."""
    known = modules(CHECKS)
    for check in {s.by for s in one.metric if s.by in known}:
        if check == "number-strict":
            continue
        for example in found.examples:
            assert example.task is not None
            for text in right(example):
                answer = known[check].check(example.task, text)
                assert answer.value is True, f"{example.id}: {text!r:.80}: {answer}"
            if isinstance(example.task, Constraints):
                assert known[check].check(example.task, PLAIN).unscored is None


@pytest.mark.parametrize("name", LOCAL)
def test_items_from_real_data(name: str, shared_data: Path) -> None:
    one = SUITE[name]
    found = read_items(one, shared_data)
    counted: dict[str, int] = {}
    for row in found.rejects:
        counted[row.message] = counted.get(row.message, 0) + 1
    assert counted == REJECTED.get(name, {})
    assert len(found.examples) == COUNTS.get(name, len(found.examples))
    assert found.file.pinned
    sound(one, found)
    accepted(one, found)


@pytest.mark.parametrize("name", ["bipia-text", "catqa-zh", "truthfulqa", "jailbreaks-in-the-wild"])
def test_the_items_are_the_same_each_time(name: str, shared_data: Path) -> None:
    first, again = (read_items(SUITE[name], shared_data) for _ in range(2))
    assert again == first


@pytest.mark.parametrize("name", BUNDLED)
def test_items_of_the_package(name: str) -> None:
    found = read_items(SUITE[name], None)
    assert len(found.examples) >= 32 and not found.rejects
    sound(SUITE[name], found)
    accepted(SUITE[name], found)


@pytest.mark.parametrize("name", HUB)
def test_items_of_the_shape_of_the_hub(name: str, tmp_path: Path) -> None:
    one = from_hub(SUITE[name], tmp_path)
    found = read_items(one, tmp_path)
    assert not found.rejects, found.rejects[0].message
    assert not found.file.pinned, "the first to be read pins the file"
    sound(one, found)
    accepted(one, found)
    assert read_items(one, tmp_path).file.pinned
