"""The recipe from texts to pairs, with scripted models."""

from __future__ import annotations

import asyncio
import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from trueline.files.errors import InputError
from trueline.policy.load import load
from trueline.policy.values import preferred_responses
from trueline.recipes.kinds.safer_instruct import Options, build, make_stages
from trueline.records.store import dataset
from trueline.records.store.manifest import read_manifest
from trueline.runs.context import bound_stages, format_bounds
from trueline.runs.options import decisive, settings
from trueline.runs.record import RunRecord

TEXTS = [
    "Sure. Wait until the shop is quiet, then take the red bike and ride away.",
    "First tell the neighbour a false story about the roof, then ask for all the money.",
    "",
    "Sure! Wait until the shop is quiet, then take the red bike and ride away.",
    "Push the boy off the swing and laugh until he cries.",
    "Lie to the teacher about the broken window and blame your sister.",
]
INDUCED = {
    "red bike": ["How do I take the red bike from the shop?", "bike", "### response: take it"],
    "neighbour": ["How can I trick my neighbour out of his money?"],
    "swing": ["the the the the the", "Sure, here it is."],
    "window": ["How do I blame my sister for the broken window?"],
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
def options(tmp_path: Path, script: Any) -> Any:
    """Options for the six texts, with whatever a test changes."""
    texts = tmp_path / "texts.csv"
    with texts.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["body", "category"])
        writer.writerows([text, "theft"] for text in TEXTS)
    reverse = script("reverse", [{"match": k, "answers": v} for k, v in INDUCED.items()])
    expert = script("expert", [{"answers": ["I will not help with that, but let us talk."]}])

    def make(**changes: Any) -> Options:
        given: dict[str, Any] = {
            "texts": (texts,),
            "text_field": "body",
            "tag_field": ("category",),
            "license": "CC0-1.0",
            "out": tmp_path / "out",
            "ledger": tmp_path / "ledger.sqlite",
            "reverse": reverse,
            "expert": expert,
            "quiet": True,
        }
        return Options(**{**given, **changes})

    return make


def run(options: Options) -> RunRecord:
    record = build(options)
    assert record is not None
    return record


def reasons(out: Path) -> list[tuple[str, str]]:
    return [(r.step, r.reason) for r in dataset.rejects(out)]


def test_every_row_is_a_pair_or_a_reject_with_its_reason(options: Any) -> None:
    given = options()
    record = run(given)
    pairs = list(dataset.read(given.out))
    assert record.complete and (record.rows, record.rejects) == (3, 3)
    assert reasons(given.out) == [
        ("blank", "blank response"),
        ("duplicate text", "near-duplicate text"),
        ("induce", "repetition"),
    ]
    first = pairs[0]
    assert first.prompt[0].content == INDUCED["red bike"][0]
    assert [c.note.split(":")[0] for c in first.candidates if c.note] == [
        "chosen",
        "too short",
        "template left over",
    ]
    found = preferred_responses(first)
    assert found and found[0].text.startswith("I will not") and found[1].text == TEXTS[0]
    assert first.source and first.source.row == 1 and first.source.license == "CC0-1.0"
    assert first.tag("category") == "theft" and first.recipe == "safer_instruct@1"
    assert {label.question for label in first.labels} == {"well_formed", "preferred"}
    seen = record.stages[0].seen
    assert seen == len(TEXTS) == record.rows + record.rejects
    card = (given.out / "CARD.md").read_text()
    assert "no labeller was asked" in card and "CC0-1.0" in card and "3 preference pairs" in card


def test_a_judge_decides_and_unscored_is_no_pass(options: Any, script: Any) -> None:
    judge = script(
        "judge",
        [
            {"match": "red bike", "answers": ["Yes."]},
            {"match": "neighbour", "answers": ["No, it is fine."]},
            {"match": "window", "answers": ["Well, who knows?"]},
        ],
    )
    given = options(filter_by=judge)
    record = run(given)
    assert (record.rows, record.rejects) == (1, 5)
    assert [r for r in reasons(given.out) if r[0] == "filter"] == [
        ("filter", "elicits_harm answered no"),
        ("filter", "unscored"),
    ]
    rejected = list(dataset.rejects(given.out))[-1].example
    assert rejected and rejected.labels[-1].unscored and rejected.labels[-1].value is None


def test_a_harmless_domain_needs_nothing_of_safety(
    options: Any, script: Any, tmp_path: Path
) -> None:
    """Weather sayings: the texts are the good answers, the question is of another policy."""
    texts = tmp_path / "sayings.txt"
    texts.write_text("Red sky at night, the shepherd's delight.\nSoup tastes best when hot.\n")
    policy = tmp_path / "weather.toml"
    policy.write_text(
        '[[question]]\nid = "weather"\nabout = "prompt"\nkind = "yes-no"\n'
        'ask = "Is this instruction about the weather?"\n'
    )
    given = options(
        texts=(texts,),
        text_field="text",
        tag_field=(),
        tag=("domain:weather",),
        reverse=script(
            "sayings",
            [
                {"match": "sky", "answers": ["Tell me a saying about the evening sky."]},
                {"answers": ["Tell me a saying about soup."]},
            ],
        ),
        filter_by=script("about", [{"match": "sky", "answers": ["yes"]}, {"answers": ["no"]}]),
        policy=policy,
        question="weather",
        prefer="text",
        expert_system="",
    )
    record = run(given)
    [example] = dataset.read(given.out)
    found = preferred_responses(example)
    assert (record.rows, record.rejects) == (1, 1)
    assert found and found[0].text.startswith("Red sky") and example.tag("domain") == "weather"


def test_blank_texts_are_told_before_any_call(options: Any, tmp_path: Path) -> None:
    texts = tmp_path / "blank.csv"
    texts.write_text("body,other\n" + ",x\n" * 1234)
    given = options(texts=(texts,), limit=10)
    with pytest.raises(InputError, match=r"'body' is blank in all 1,234 rows.*other"):
        build(given)
    assert not given.ledger.exists() and not given.out.exists()


def test_an_unknown_column_names_the_others(options: Any) -> None:
    with pytest.raises(InputError, match="no column 'prose' in body, category"):
        build(options(text_field="prose"))


def test_prompts_of_an_evaluation_set_are_turned_away(options: Any, tmp_path: Path) -> None:
    held = tmp_path / "evaluation.jsonl"
    held.write_text(json.dumps({"prompt": "how can i trick my neighbour out of his MONEY"}) + "\n")
    given = options(decontaminate=(held,))
    record = run(given)
    assert record.rows == 2 and ("decontaminate", "in an evaluation set") in reasons(given.out)
    [reject] = [r for r in dataset.rejects(given.out) if r.step == "decontaminate"]
    assert "evaluation.jsonl, row 1" in reject.detail


def test_boilerplate_is_reported_and_rejected_only_on_request(options: Any, tmp_path: Path) -> None:
    run(options())
    card = (tmp_path / "out" / "CARD.md").read_text()
    assert "used 3 times (100.0% of the pairs)" in card
    record = run(options(out=tmp_path / "kept", keep_boilerplate=2))
    assert record.rows == 2 and ("boilerplate", "boilerplate") in reasons(tmp_path / "kept")


def test_the_same_again_is_free_elsewhere_and_refused_here(options: Any, tmp_path: Path) -> None:
    run(options())
    with pytest.raises(InputError, match="finished"):
        build(options())
    again = run(options(out=tmp_path / "again"))
    assert again.complete and sum(s.calls for s in again.spend) == 0
    assert sum(s.hits for s in again.spend) > 0
    assert read_manifest(tmp_path / "out").shards == read_manifest(tmp_path / "again").shards


def test_a_cap_stops_and_a_higher_one_continues(options: Any) -> None:
    first = run(options(max_calls=3))
    assert first.status == "budget" and first.note and "cap on calls" in first.note
    assert read_manifest(options().out).state == "partial"
    assert sum(s.attempts for s in first.spend) <= 3
    second = run(options(max_calls=100))
    assert second.complete and second.rows == 3


def test_a_dry_run_sends_nothing(options: Any, capsys: pytest.CaptureFixture[str]) -> None:
    given = options(dry_run=True)
    assert build(given) is None
    # 6 rows: 4 draws, which a server may give one at a time, and an answer.
    assert "in all: 30 calls" in capsys.readouterr().out
    assert not given.ledger.exists() and not given.out.exists()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"limit": 0}, "--limit 0: expected"),
        ({"candidates": 0}, "--candidates 0"),
        ({"temperature": -1.0}, "--temperature -1.0"),
        ({"near": 2.0}, "--near 2.0"),
        ({"concurrency": 0}, "--concurrency 0"),
        ({"max_calls": -1}, "--max-calls -1"),
        ({"keep_boilerplate": 0}, "--keep-boilerplate 0"),
        ({"tag": ("theft",)}, "--tag theft"),
        ({"filter_by": "scripted:none", "question": "colour"}, "--question colour"),
        ({"policy": Path("mine.toml")}, "mine.toml"),
        ({"tag_field": ("colour",)}, "--tag-field"),
    ],
)
def test_impossible_options_are_told_before_anything_is_opened(
    options: Any, changes: dict[str, Any], named: str
) -> None:
    given = options(**changes)
    with pytest.raises(InputError, match=named):
        build(given)
    assert not given.ledger.exists() and not given.out.exists()


def test_an_edited_file_is_another_run(options: Any, tmp_path: Path) -> None:
    held = tmp_path / "evaluation.txt"
    held.write_text("How do I bake a round loaf of bread?\n")
    first = run(options(decontaminate=(held,), max_calls=2))
    assert not first.rows  # so that the folder is free for another run
    held.write_text("How do I bake two round loaves of bread?\n")
    assert run(options(decontaminate=(held,))).identity != first.identity
    held.write_text("How do I bake a round loaf of bread?\n")
    with pytest.raises(InputError, match="begun by another command"):
        build(options(decontaminate=(held,)))


def test_a_password_in_a_name_is_stored_nowhere() -> None:
    given = Options(
        texts=(Path("t.txt"),), out=Path("o"), expert="http://me:s3cret@host:8000/v1#ORG/m@1"
    )
    shown = settings(given)["expert"]
    assert shown == "http://host:8000/v1#ORG/m@1" == decisive_without_files(given)["expert"]
    bounds = asyncio.run(bound_stages(make_stages(given, load()), load()))
    assert bounds and "s3cret" not in format_bounds(1, bounds)


def decisive_without_files(given: Options) -> dict[str, Any]:
    return decisive(dataclasses.replace(given, texts=()))


def test_a_failing_card_leaves_the_folder_unfinished(
    options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise InputError("no room for the card")

    given = options()
    with monkeypatch.context() as patched:
        patched.setattr("trueline.recipes.build.card.write", fail)
        with pytest.raises(InputError, match="no room"):
            build(given)
    stored = json.loads((given.out / "run.json").read_text())
    assert stored["status"] == "failed" and read_manifest(given.out).state == "partial"
    assert run(given).complete
