"""The runner: what is asked, what is scored, what is left out, and what a failure is worth."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.evaluate.made import SUMS, sums

from trueline.cli.evaluate import format_outcome
from trueline.evaluate import results
from trueline.evaluate.options import Options
from trueline.evaluate.plan import plan
from trueline.evaluate.run import Outcome, evaluate, make_stages
from trueline.files.errors import InputError
from trueline.labellers.registry import enter_labeller
from trueline.labellers.targets import select_questions
from trueline.policy.load import load
from trueline.records.store import dataset
from trueline.records.types import Choice
from trueline.runs.context import RunContext
from trueline.runs.stage import Bound

ASKED = [{"ask": f"What is {n} and {n}?", "sum": 2 * n, "kind": f"k{n % 3}"} for n in range(12)]
CHOICES = sums(
    "choices",
    'prompt = "ask"\noptions = "[sum, sum + 1]"\ngold = "0"',
    'question = "correct"\nby = "choice"',
    ask='kind = "choice"',
)
JUDGED = sums(
    "judged",
    'prompt = "ask"',
    'question = "safe"\nby = "judge"',
    'question = "refusal"\nby = "refusal"\nvalue = ["refuse"]',
    group="harmfulness",
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the data and the benchmarks."""
    monkeypatch.chdir(tmp_path)
    Path("sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ASKED))
    for name, text in (("sums", SUMS), ("choices", CHOICES), ("judged", JUDGED)):
        Path(f"{name}.toml").write_text(text)
    return tmp_path


def script(rules: list[dict[str, Any]], name: str = "model") -> str:
    Path(f"{name}.json").write_text(json.dumps(rules))
    return f"scripted:{name}.json"


def right(n: int) -> dict[str, Any]:
    scores = {str(2 * n): -1.0, str(2 * n + 1): -2.0}
    return {"match": f"What is {n} and", "answers": [f"It is {2 * n}."], "loglikelihoods": scores}


def ran(model: str = "", benchmarks: str = "sums.toml", **options: Any) -> Outcome:
    given = {"data": Path(), "out": Path("out"), "quiet": True} | options
    found = evaluate(
        Options(model=model, benchmark=tuple(filter(None, benchmarks.split(","))), **given)
    )
    assert found is not None
    return found


def test_answers_are_scored_and_every_number_has_its_coverage() -> None:
    wrong = {"regex": ".", "answers": ["It is 1000."]}
    found = ran(script([*map(right, range(9)), wrong]))
    [one] = found.results.metrics
    assert one.interval.estimate == pytest.approx(9 / 12)
    assert (one.items, one.scored, one.least, one.most) == (12, 12, 0.75, 0.75)
    assert one.interval.units == 3, "clusters, not items, are what the interval rests on"
    assert found.sound and found.results.complete
    assert results.read(Path("out")) == found.results


def test_a_call_that_fails_is_no_wrong_answer() -> None:
    fails = {"match": "What is 3 and", "fail": "the server is down"}
    found = ran(script([fails, *map(right, range(12))]))
    [one] = found.results.metrics
    assert (one.items, one.scored) == (12, 11)
    assert one.interval.estimate == 1.0
    assert one.least == pytest.approx(11 / 12) and one.most == 1.0
    assert not one.headline and not found.sound


def test_choices_are_made_by_likelihood_and_kept() -> None:
    found = ran(script([*map(right, range(12))]), "choices.toml")
    assert found.results.metrics[0].interval.estimate == 1.0
    example = next(dataset.read(Path("out")))
    assert isinstance(example.task, Choice)
    assert example.responses[0].text == example.task.options[0]
    assert [c.score for c in example.candidates] == [-1.0, -2.0]


def test_a_model_without_likelihoods_is_told_of_and_may_write() -> None:
    bare = [{k: v for k, v in right(n).items() if k != "loglikelihoods"} for n in range(12)]
    with pytest.raises(InputError, match="--choice written"):
        ran(script(bare), "choices.toml")
    letters = script([{"match": "letter", "answers": ["The answer is A."]}], "letters")
    found = ran(letters, "choices.toml", choice="written", out=Path("written"))
    [one] = found.results.metrics
    assert one.metric.name == "letter" and one.interval.estimate == 1.0


def test_an_endpoint_is_told_before_anything_is_asked() -> None:
    """No server is there: a call would fail in another way."""
    both = "sums.toml,choices.toml"
    with pytest.raises(InputError, match=r"--choice written.* or leave out choices"):
        ran("http://127.0.0.1:9/v1#m", both)
    assert not Path("out").exists()
    given = {
        "benchmark": tuple(both.split(",")),
        "data": Path(),
        "choice": "written",
        "dry_run": True,
    }
    assert evaluate(Options(model="http://127.0.0.1:9/v1#m", **given)) is None


def test_who_is_to_score_and_is_nobody_is_named_with_the_benchmark() -> None:
    for by, why in (("numbr", "no model is named"), ("ifeval", "answers constraints_met")):
        Path("sums.toml").write_text(SUMS.replace('by = "number"', f'by = "{by}"'))
        with pytest.raises(InputError, match=rf"^sums: by '{by}': .*{why}[\s\S]*number-strict"):
            ran(script([right(1)]))


def test_what_takes_a_judge_is_not_measured_without_one() -> None:
    found = ran(
        script([{"regex": ".", "answers": ["I am sorry, I cannot help with that."]}]), "judged.toml"
    )
    assert [m.metric.question for m in found.results.metrics] == ["refusal"]
    assert "judged: safe" in found.results.left_out
    assert found.results.benchmarks[0].primary == found.results.metrics[0].metric.key


def test_two_judges_are_two_metrics() -> None:
    model = script([{"regex": ".", "answers": ["I cannot."]}])
    yes = script([{"regex": ".", "loglikelihoods": {"yes": -0.1, "no": -3.0}}], "yes")
    no = script([{"regex": ".", "loglikelihoods": {"yes": -3.0, "no": -0.1}}], "no")
    found = ran(model, "judged.toml", judge=(yes, no))
    means = [m.interval.estimate for m in found.results.metrics if m.metric.question == "safe"]
    assert means == [1.0, 0.0]


def test_scoring_again_asks_the_model_nothing() -> None:
    model = script([{"regex": ".", "answers": ["I cannot."]}])
    first = ran(model, "judged.toml")
    Path("model.json").unlink()  # whoever asked it now would fail
    yes = script([{"regex": ".", "loglikelihoods": {"yes": -0.1, "no": -3.0}}], "yes")
    again = ran("", "judged.toml", rescore=Path("out"), judge=(yes,), out=Path("again"))
    assert [m.metric.question for m in again.results.metrics] == ["safe", "refusal"]
    assert again.results.identity == first.results.identity
    assert again.results.benchmarks[0].items_hash == first.results.benchmarks[0].items_hash


def test_scoring_again_wants_the_file_of_a_benchmark_of_ones_own() -> None:
    ran(script([*map(right, range(12))]))
    with pytest.raises(InputError, match=r"answers to sums, not of the suite.*TOML"):
        ran("", "local", rescore=Path("out"), out=Path("again"))
    again = ran("", "sums.toml", rescore=Path("out"), out=Path("again"))
    assert again.results.metrics[0].scored == 12


def test_repeats_have_a_spread() -> None:
    rules = [{"regex": ".", "answers": ["It is 1000.", "It is 2.", "It is 4."]}]
    found = ran(script(rules), repeats=3, temperature=1.0)
    [one] = found.results.metrics
    assert one.repeats == 3 and one.spread is not None and one.spread > 0
    assert one.interval.estimate == pytest.approx(2 / 36)
    with pytest.raises(InputError, match="--temperature"):
        ran(script(rules), repeats=3, out=Path("other"))


def test_what_has_no_interval_is_said_to_have_none() -> None:
    rules = [{"regex": ".", "answers": ["I am sorry, I cannot help with that.", "Sure, like so:"]}]
    found = ran(script(rules), "judged.toml", repeats=2, temperature=1.0)
    [line] = [line for line in format_outcome(found, "out") if "refusal by refusal" in line]
    assert line.startswith("  0.500 (no interval)  refusal") and "no spread" in line


def test_a_limit_draws_the_same_items_for_every_model() -> None:
    found = [
        ran(
            script([{"regex": ".", "answers": [f"It is {n}."]}], f"m{n}"),
            limit=5,
            out=Path(f"out{n}"),
        )
        for n in (1, 2)
    ]
    assert [f.results.benchmarks[0].items for f in found] == [5, 5]
    assert len({f.results.benchmarks[0].items_hash for f in found}) == 1


def test_changed_data_stop_the_run() -> None:
    model = script([*map(right, range(12))])
    assert not ran(model).results.benchmarks[0].pinned
    with Path("sums.jsonl").open("a") as file:
        file.write(json.dumps(ASKED[0]) + "\n")
    with pytest.raises(InputError, match="has changed since it was first used"):
        ran(model, out=Path("again"))
    with pytest.raises(InputError, match="has changed"):
        ran(model)


def test_rows_that_are_no_items_are_told_and_fall_short(capfd: pytest.CaptureFixture[str]) -> None:
    lines = [*map(json.dumps, ASKED), '{"ask": "no sum"}', '{"ask": "broken off']
    Path("sums.jsonl").write_text("\n".join(lines))
    found = ran(script([*map(right, range(12))]), quiet=False)
    [one] = found.results.benchmarks
    assert (one.items, one.invalid_rows, found.results.metrics[0].scored) == (12, 2, 12)
    assert found.results.complete and not found.sound
    assert "2 rows of its data are no items" in "\n".join(format_outcome(found, "out"))
    assert "14/14 rows" in capfd.readouterr().err
    again = ran("", rescore=Path("out"), out=Path("again"))
    assert again.results.benchmarks[0].invalid_rows == 2 and not again.sound


def test_rows_that_a_condition_passes_over_are_told_and_are_no_fault() -> None:
    text = Path("sums.toml").read_text()
    Path("few.toml").write_text(f"""where = "kind == 'k0'"\n{text}""")
    found = ran(script([*map(right, range(12))]), "few.toml")
    [one] = found.results.benchmarks
    assert (one.items, one.filtered_rows) == (4, 8) and found.sound
    assert "8 rows of its data are passed over by its `where`" in "\n".join(
        format_outcome(found, "out")
    )


def test_a_judge_that_nothing_takes_is_a_mistake() -> None:
    model = script([*map(right, range(12))])
    with pytest.raises(InputError, match="takes a judge"):
        ran(model, judge=(model,))
    with pytest.raises(InputError, match="names none"):
        ran(model, ",")


def test_all_that_is_here_runs_and_what_is_named_must_be_here() -> None:
    with pytest.raises(InputError, match="no harm_prompts"):
        ran(script([right(1)]), "xstest-safe")
    with pytest.raises(InputError, match="no benchmark or group is named"):
        ran(script([right(1)]), "no-such")


def test_a_foreign_folder_is_refused_and_the_same_command_shows_its_results() -> None:
    model = script([*map(right, range(12))])
    first = ran(model)
    with pytest.raises(InputError):
        ran(model, limit=5)
    assert results.read(Path("out")) == first.results, "what is refused leaves no trace"


def test_dry_run_counts(capsys: pytest.CaptureFixture[str]) -> None:
    given = Options(
        model=script([right(1)]),
        benchmark=("sums.toml", "choices.toml", "judged.toml"),
        data=Path(),
        out=Path("out"),
        judge=("a", "b"),
        dry_run=True,
    )
    assert evaluate(given) is None
    told = capsys.readouterr().out
    assert "sums: 12 items, 12 calls, 96 completion tokens" in told
    assert "choices: 12 items, 12 calls, 0 completion tokens" in told
    assert "judged: 12 items, 60 calls" in told and "left out" not in told
    assert not Path("out").exists()


def test_a_dry_run_bounds_each_likelihood_of_a_local_judge(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ("safe", "severity", "helpfulness", "harmlessness")
    metrics = [f'question = "{name}"\nby = "judge"' for name in asked]
    text = sums("many", 'prompt = "ask"', *metrics, group="harmfulness")
    Path("many.toml").write_text(text)
    scores = {str(answer): -1.0 for answer in ("yes", "no", *range(11))}
    judge = script([{"regex": ".", "loglikelihoods": scores | {"no": -0.1}}], "judge")
    model = script([{"regex": ".", "answers": ["I cannot."]}])
    given = Options(
        model=model, benchmark=("many.toml",), data=Path(), judge=(judge,), dry_run=True
    )
    assert evaluate(given) is None
    assert "many: 12 items, 60 calls" in capsys.readouterr().out
    outcome = ran(model, "many.toml", judge=(judge,), max_calls=60)
    assert outcome.run.complete and sum(spend.calls for spend in outcome.run.spend) == 60


def test_a_dry_run_names_what_would_be_left_out() -> None:
    own = plan(Options(model="m", benchmark=("sums.toml",), data=Path()), load())
    absent = msgspec.structs.replace(own, left_out={"advbench": "advbench: it is not here"})
    assert absent.bounds({"sums": Bound()}).endswith("\nleft out: advbench: it is not here")


def test_turns_are_put_one_after_the_other() -> None:
    doubted = SUMS.replace('prompt = "ask"', "turns = \"[ask, 'Are you sure?']\"")
    Path("sums.toml").write_text(doubted.replace("max_tokens = 8", 'kind = "turns"'))
    sure = {"match": "Are you sure", "answers": ["Yes, 2."]}
    found = ran(script([sure, *map(right, range(12))]))
    example = next(dataset.read(Path("out")))
    assert [m.role for m in example.prompt] == ["user", "user"]
    [response] = example.responses
    assert [m.content for m in response.messages][1:] == ["Yes, 2."]
    assert response.messages[0].content.startswith("It is ")
    assert found.results.metrics[0].interval.estimate == pytest.approx(1 / 12), "the last counts"
    assert found.run.spend[0].calls == 24


def test_no_benchmark_holds_up_the_others() -> None:
    Path("few.jsonl").write_text(json.dumps(ASKED[0]) + "\n" + json.dumps(ASKED[1]) + "\n")
    Path("few.toml").write_text(SUMS.replace('"sums', '"few'))
    ran(script([*map(right, range(12))]), "sums.toml,few.toml")
    order = [example.tag("benchmark") for example in dataset.read(Path("out"))]
    assert len(order) == 14
    places = [place for place, name in enumerate(order) if name == "few"]
    assert places == [3, 10], "a fourth and three fourths of the way"


def test_a_group_leaves_out_what_is_not_here_beside_a_file_of_ones_own() -> None:
    found = ran(script([*map(right, range(12))]), "sums.toml,mental-health")
    assert [one.name for one in found.results.benchmarks] == ["sums"]
    assert found.results.left_out and not found.sound
    beside = ran(script([*map(right, range(12))]), "sums.toml,local", limit=1, out=Path("beside"))
    names = {one.name for one in beside.results.benchmarks}
    assert (
        "sums" in names
        and "small-harmful" in names
        and not any(":" not in name for name in beside.results.left_out)
    )
    Path("gone.toml").write_text(SUMS.replace("sums.jsonl", "gone.jsonl"))
    with pytest.raises(InputError, match=r"has no gone\.jsonl"):
        ran(script([right(1)]), "gone.toml,mental-health", out=Path("gone"))


RUBRIC = sums(
    "rubric",
    'prompt = "ask"\nquestions = "rubric"',
    'question = "own"\nby = "judge"',
    group="health",
)


def test_items_bring_their_own_rubric(capsys: pytest.CaptureFixture[str]) -> None:
    """Three points for the sum, one for courtesy: the model is right and rude, or the reverse."""
    points: list[dict[str, Any]] = [
        {"id": "right", "ask": "Does it say the sum?", "weight": 3.0},
        {"id": "polite", "ask": "Is it polite?"},
    ]
    rows: list[dict[str, Any]] = [row | {"rubric": points} for row in ASKED]
    rows[0]["rubric"] = [{"id": "right", "ask": ""}]
    Path("sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("rubric.toml").write_text(RUBRIC)
    model = script([*map(right, range(6)), {"regex": ".", "answers": ["Please, it is 1000."]}])
    rude = json.dumps({"reason": "r", "right": "yes", "polite": "no"})
    kind = json.dumps({"reason": "r", "right": "no", "polite": "yes"})
    judge = script([{"match": "Please", "answers": [kind]}, {"answers": [rude]}], "judge")

    given = {"benchmark": ("rubric.toml",), "data": Path(), "judge": (judge,), "dry_run": True}
    assert evaluate(Options(model=model, **given)) is None
    assert "rubric: 11 items" in capsys.readouterr().out

    found = ran(model, "rubric.toml", judge=(judge,))
    [one] = found.results.metrics
    assert one.metric.key == f"own by {judge}" and found.results.benchmarks[0].invalid_rows == 1
    assert (one.items, one.scored) == (11, 11)
    assert one.interval.estimate == pytest.approx((5 * 3 / 4 + 6 * 1 / 4) / 11)
    [reject] = dataset.rejects(Path("out"))
    assert "its own question 'right', ask: is empty" in reject.message
    options = {"rescore": Path("out"), "out": Path("again"), "judge": (judge,)}
    assert ran("", "rubric.toml", **options).results.metrics[0].interval == one.interval


def test_a_metric_on_own_questions_needs_items_that_have_some() -> None:
    Path("none.toml").write_text(sums("none", 'prompt = "ask"', 'question = "own"\nby = "judge"'))
    with pytest.raises(InputError, match="the items have no questions of their own"):
        ran(script([right(1)]), "none.toml")
    text = RUBRIC.replace('by = "judge"', 'by = "judge"\nvalue = [true]')
    Path("rubric.toml").write_text(text)
    with pytest.raises(InputError, match="score by their weights, not by a value"):
        ran(script([right(1)]), "rubric.toml")


async def test_the_stages_of_an_evaluation_travel_to_another_worker() -> None:
    options = Options(
        model=script([right(1)]), benchmark=("sums.toml", "judged.toml"), data=Path(), out=Path("r")
    )
    stages = make_stages(plan(options, load()), options.model, ("nano",))
    assert [stage.name for stage in stages] == ["ask", "score"]
    async with RunContext(load(), dry=True) as worker:
        for stage in pickle.loads(pickle.dumps(stages)):
            assert await worker.make(stage)
        assert {given.path for given in worker.inputs() if "labeller" in given.kind} == {
            "number", "nano", "refusal",
        }  # fmt: skip


async def test_a_labeller_that_is_asked_the_same_in_two_places_is_opened_once() -> None:
    asked = select_questions(["safe"], load())
    async with RunContext(load(), dry=True) as context:
        first = await enter_labeller(context, "nano", asked)
        assert await enter_labeller(context, "nano", asked) is first
        assert await enter_labeller(context, "nano", asked, retry_later=True) is not first
