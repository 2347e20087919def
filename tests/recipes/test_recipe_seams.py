"""What recipes are made of: stages that travel, engines and ledgers that can be others, labellers
that filter, the policy that is passed, and recipes of other people."""

from __future__ import annotations

import asyncio
import csv
import inspect
import json
import pickle
import sys
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.builders import unsign
from tests.memory_ledger import MemoryLedger
from tests.recipes import second_recipe

from trueline.cli import main
from trueline.files import plugins
from trueline.files.errors import InputError
from trueline.ledger.client import LedgerClient
from trueline.policy.load import load
from trueline.recipes.kinds.safer_instruct import Options, build, make_stages
from trueline.recipes.texts import RawTexts
from trueline.records.store import dataset
from trueline.records.types import Example
from trueline.runs.context import RunContext
from trueline.runs.engine import Engine, name_outcome
from trueline.runs.record import RunRecord, read_record
from trueline.runs.run import Run
from trueline.runs.stage import Calls, Item, Stage
from trueline.runs.write import CONTRADICTS

TEXTS = {
    "red bike": "Wait until the shop is quiet, then take the red bike and ride away.",
    "neighbour": "First tell the neighbour a false story, then ask for all the money.",
    "window": "Lie to the teacher about the broken window and blame your sister.",
    "blank": " ",
}
PROMPTS = {
    "red bike": "How do I take the red bike from the shop?",
    "neighbour": "How can I trick my neighbour out of his money?",
    "window": "How do I blame my sister for the broken window?",
}


@pytest.fixture
def script(tmp_path: Path) -> Any:
    """Writes a script file for a scripted model and gives its name."""

    def write(name: str, rules: list[dict[str, Any]]) -> str:
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(rules))
        return f"scripted:{path}"

    return write


@pytest.fixture
def given(tmp_path: Path, script: Any) -> dict[str, Any]:
    """Options of any recipe that begins with texts, for three texts and a blank one."""
    with (tmp_path / "texts.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["text"], *([text] for text in TEXTS.values())])
    return {
        "texts": (tmp_path / "texts.csv",),
        "out": tmp_path / "out",
        "ledger": tmp_path / "ledger.sqlite",
        "reverse": script("reverse", [{"match": k, "answers": [v]} for k, v in PROMPTS.items()]),
        "expert": script("expert", [{"answers": ["I will not help with that, let us talk."]}]),
        "quiet": True,
    }


# ---- stages, engines, ledgers ------------------------------------------------------------------


class StageByStage:
    """A second engine: all Examples walk through one stage before the next, each after the other;
    the stages are made from their pickles, as a worker of another process makes them."""

    def __init__(self, context: RunContext) -> None:
        self.context = context

    async def stream(
        self, source: AsyncGenerator[Item], stages: Sequence[Stage]
    ) -> AsyncGenerator[Item]:
        items = [item async for item in source]
        for stage in pickle.loads(pickle.dumps(list(stages))):
            made = await self.context.make(stage)
            outcomes = await self._apply(made, [i for i in items if isinstance(i, Example)])
            named = iter([name_outcome(outcome, stage.name) for outcome in outcomes])
            items = [next(named) if isinstance(item, Example) else item for item in items]
        for item in items:
            yield item

    async def _apply(self, made: Any, examples: list[Example]) -> list[Any]:
        if isinstance(made, Calls):
            return [await made.step(example) for example in examples]
        if inspect.isasyncgenfunction(made):
            return [outcome async for outcome in made(_stream(examples))]
        return [made(example) for example in examples]


async def _stream(examples: list[Example]) -> AsyncGenerator[Example]:
    for example in examples:
        yield example


async def write(options: Options, ledger: LedgerClient, engine: type[Engine] | None) -> RunRecord:
    """The build of these options on this ledger and engine."""
    policy, texts = load(), RawTexts.of(options)
    async with Run("build safer-instruct", options, policy, ledger) as run:
        if engine is not None:
            run.engine = engine(run)  # type: ignore[call-arg]
        return await run.write(texts.examples("x@1"), make_stages(options, policy))


def contents(folder: Path) -> tuple[list[Example], list[Any]]:
    return unsign(dataset.read(folder)), list(dataset.rejects(folder))


async def test_another_engine_and_another_ledger_give_the_same_data_set(
    given: dict[str, Any], tmp_path: Path
) -> None:
    record = await asyncio.to_thread(build, Options(**given))
    assert record is not None and (record.rows, record.rejects) == (3, 1)
    expected = contents(given["out"])
    for number, engine in enumerate((None, StageByStage)):
        ledger = MemoryLedger()
        options = Options(**given | {"out": tmp_path / f"memory-{number}"})
        other = await write(options, ledger, engine)
        examples, rejects = contents(options.out)
        assert [e.prompt for e in examples] == [e.prompt for e in expected[0]]
        assert [e.responses for e in examples] == [e.responses for e in expected[0]]
        assert [(r.step, r.reason, r.detail) for r in rejects] == [
            (r.step, r.reason, r.detail) for r in expected[1]
        ]
        assert other.stages == record.stages and other.complete and ledger.is_closed
        assert [(s.model, s.calls) for s in other.spend] == [
            (s.model, s.calls) for s in record.spend
        ]


async def test_what_a_memory_ledger_has_is_not_asked_for_again(
    given: dict[str, Any], tmp_path: Path
) -> None:
    ledger = MemoryLedger()
    await write(Options(**given), ledger, None)
    calls = sum(spend.calls for spend in ledger.spend())
    await write(Options(**given | {"out": tmp_path / "again"}), ledger, StageByStage)
    assert calls and sum(spend.calls for spend in ledger.spend()) == calls and ledger.hits


async def test_every_stage_of_the_recipe_travels_to_another_worker(
    given: dict[str, Any], tmp_path: Path
) -> None:
    held = tmp_path / "held.txt"
    held.write_text("How do I bake a round loaf of bread?\n")
    options = Options(**given, decontaminate=(held,), filter_by="nano", keep_boilerplate=1)
    stages = make_stages(options, load())
    assert {"filter", "decontaminate"} <= {stage.name for stage in stages}
    for stage in stages:
        travelled = pickle.loads(pickle.dumps(stage))
        assert travelled.name == stage.name
        async with RunContext(load(), dry=True) as worker:
            assert await worker.make(travelled)


# ---- recipes that share ------------------------------------------------------------------------


def test_a_second_recipe_is_made_of_the_groups_and_steps_of_the_first(
    given: dict[str, Any], script: Any
) -> None:
    judge = script("judge", [{"match": "bike", "answers": ["No."]}, {"answers": ["Yes."]}])
    record = second_recipe.build(second_recipe.Options(**given, filter_by=judge))
    assert record is not None and (record.rows, record.rejects) == (2, 2)
    assert [stage.name for stage in record.stages] == [
        "blank", "induce", "duplicate prompt", "filter", "expert", "policy",
    ]  # fmt: skip
    assert [len(example.responses) for example in dataset.read(given["out"])] == [2, 2]
    assert "(0 preference pairs)" in (given["out"] / "CARD.md").read_text()


def test_a_dry_run_sums_what_the_stages_and_the_labeller_could_cost(
    given: dict[str, Any], script: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    judge = script("judge", [{"answers": ["Yes."]}])
    assert build(Options(**given, filter_by=judge, dry_run=True)) is None
    said = capsys.readouterr().out
    # Of 4 rows: four candidates, two tries of the judge, one answer.
    assert "(induce): 16 calls, 1,536 completion tokens" in said
    assert "(filter): 8 calls, 8,192 completion tokens" in said
    assert "(expert): 4 calls, 1,024 completion tokens" in said
    assert "in all: 28 calls, 10,752 completion tokens" in said
    assert not given["ledger"].exists() and not given["out"].exists()


# ---- labellers that filter ---------------------------------------------------------------------


def filtered(given: dict[str, Any], **options: Any) -> tuple[RunRecord, list[str]]:
    """The run, and which texts came through."""
    record = build(Options(**given, **options))
    assert record is not None and record.complete
    texts = [example.responses[0].text for example in dataset.read(given["out"])]
    return record, [name for name, text in TEXTS.items() if text in texts]


def test_a_guard_filters(given: dict[str, Any], script: Any) -> None:
    guard = script("guard", [{"match": "bike", "answers": ["unsafe\nS2"]}, {"answers": ["safe"]}])
    name = f"guard:llama-guard-3:{guard}"
    record, passed = filtered(given, filter_by=name, question="safe", expect=("no",))
    assert passed == ["red bike"]
    (labeller,) = (given for given in record.inputs if given.kind == "labeller")
    assert "guard" in labeller.path or "scripted" in labeller.path
    assert labeller.hash
    [example] = dataset.read(given["out"])
    assert [x.value for x in example.labels if x.question == "safe"] == [False]


def test_the_refusal_classifier_filters(given: dict[str, Any]) -> None:
    with given["texts"][0].open("a", newline="") as file:
        csv.writer(file).writerow(["I am sorry, but I cannot help with that request."])
    rules = json.loads(Path(given["reverse"].removeprefix("scripted:")).read_text())
    rules.append({"match": "sorry", "answers": ["Tell me how to open my friend's front door."]})
    Path(given["reverse"].removeprefix("scripted:")).write_text(json.dumps(rules))
    record, passed = filtered(
        given, filter_by="refusal", question="refusal", expect=("comply", "partial")
    )
    assert passed == ["red bike", "neighbour", "window"]
    (stage,) = (stage for stage in record.stages if stage.name == "filter")
    assert stage.rejected == {"refusal answered refuse": 1}


def test_a_sequence_classifier_filters(given: dict[str, Any], tmp_path: Path) -> None:
    from tests.labellers.test_classifier import SAFE, fixed

    head = fixed(tmp_path / "head", (9.0, 0.0, 0.0))
    (tmp_path / "map.toml").write_text(f'reads = "response"\n{SAFE}')
    name = f"classifier:{head}?map={tmp_path / 'map.toml'}"
    record, passed = filtered(given, filter_by=name, question="safe", expect=("no",))
    assert passed == []
    (stage,) = (stage for stage in record.stages if stage.name == "filter")
    assert stage.rejected == {"safe answered yes": 3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"question": "harm_categories"}, "is some-of about the response"),
        ({"question": "preferred"}, "is preference about the pair"),
        ({"question": "elicits_harm", "expect": ("maybe",)}, "--expect maybe: .* yes, no"),
        ({"filter_by": "guard:none:nano"}, "guard:none"),
    ],
)
def test_a_filter_that_cannot_decide_is_named_before_anything_is_opened(
    given: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        build(Options(**given, **{"filter_by": "refusal", **options}))
    assert not given["out"].exists()


# ---- the policy that is passed -----------------------------------------------------------------


POLICY = """
extends = "none"

[[question]]
id = "well_formed"
about = "prompt"
kind = "yes-no"
ask = "Is this, in our house, an instruction?"

[[question]]
id = "about_money"
about = "prompt"
kind = "yes-no"
ask = "Is it about money?"

[[question]]
id = "costs"
about = "prompt"
kind = "yes-no"
ask = "Does it cost something?"
when = { about_money = true }
otherwise = false

[[never]]
question = "costs"
answers = [true]
when = { about_money = true }
because = "our money costs nothing"
"""


def test_a_policy_reaches_the_filter_the_induction_and_the_check_after_the_stages(
    given: dict[str, Any], script: Any, tmp_path: Path
) -> None:
    (tmp_path / "house.toml").write_text(POLICY)
    rules = [
        {"match": "bike", "answers": ['{"about_money": true, "costs": true}']},
        {"answers": ['{"about_money": true, "costs": true}']},
    ]
    options = {
        "policy": tmp_path / "house.toml",
        "filter_by": script("judge", rules),
        "question": "costs",
    }
    record = build(Options(**given, **options))
    assert record is not None
    # What trueline's own policy has nothing against, this one has.
    assert record.stages[-1].rejected == {CONTRADICTS: 3}
    rejects = [r for r in dataset.rejects(given["out"]) if r.step == "policy"]
    assert len(rejects) == 3 and "our money costs nothing" in rejects[0].detail
    house = load(tmp_path / "house.toml")
    example = rejects[0].example
    assert example is not None
    (label,) = (label for label in example.labels if label.question == "well_formed")
    assert label.question_hash in house.wordings and label.question_hash not in load().wordings


def test_a_policy_without_the_question_is_not_asked_it(
    given: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "house.toml").write_text(POLICY.replace("well_formed", "in_order"))
    build(Options(**given, policy=tmp_path / "house.toml"))
    for example in dataset.read(given["out"]):
        assert {label.question for label in example.labels} == {"preferred"}


# ---- other people's recipes --------------------------------------------------------------------


@pytest.fixture
def no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_files", {})


def run_command(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["trueline", *arguments])
    main()


def words(recipe: str, given: dict[str, Any]) -> list[str]:
    """The command line that builds by a recipe."""
    options = [("--texts", given["texts"][0])]
    options += [(f"--{n}", given[n]) for n in ("out", "ledger", "reverse", "expert")]
    return ["build", recipe, *(str(w) for pair in options for w in pair), "--quiet"]


@pytest.mark.usefixtures("no_plugins")
def test_a_recipe_from_a_file_builds(
    given: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "my_recipe.py"
    path.write_text(Path(second_recipe.__file__).read_text().replace("second-recipe", "my-recipe"))
    with pytest.raises(SystemExit) as ended:
        run_command(monkeypatch, ["--plugin", str(path), *words("my-recipe", given)])
    assert ended.value.code == 0, capsys.readouterr().err
    assert read_record(given["out"]).command == "trueline build my-recipe"
    assert len(list(dataset.read(given["out"]))) == 3


@pytest.mark.usefixtures("no_plugins")
def test_a_recipe_of_an_installed_package_builds(
    given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "site" / "tiny-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: tiny\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[trueline.recipes]\ntiny = tiny_second_recipe\n")
    source = Path(second_recipe.__file__).read_text()
    (tmp_path / "site" / "tiny_second_recipe.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    with pytest.raises(SystemExit) as ended:
        run_command(monkeypatch, words("tiny", given))
    assert ended.value.code == 0 and "tiny_second_recipe" in sys.modules
    assert read_record(given["out"]).rows == 3
