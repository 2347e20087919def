"""Our checks of IFEval and GSM8K beside lm-evaluation-harness's, on the same answers.

The answers are nano's own (greedy), texts made to hit and to just miss each rule, completions of
GPT-4 and Llama 2 that have Markdown and length, and GSM8K's solutions with their numbers changed.
Every disagreement is listed with its cause; one without a known cause ends the program with 1.

    python benchmarks/graders.py [--every]    # TRUELINE_SHARED_DATA names the data

`--every` writes each disagreement, not only their counts; the last figures are in
`benchmarks/results/graders.json`.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec import json as msgjson

from harness import peers
from harness.causes import cause
from harness.near_misses import made
from harness.solutions import changed
from trueline.files.plugins import find
from trueline.labellers.checks import CHECKS
from trueline.labellers.ifeval_rules.sentences import sentences
from trueline.models.open import open_model
from trueline.records.types import Constraint, Constraints, Message, Reference, Sampling
from trueline.runs.sync import run_sync

SHARED = Path(os.environ.get("TRUELINE_SHARED_DATA", "../shared/data"))
RESULTS = Path(__file__).parent / "results" / "graders.json"
IFEVAL, GSM8K, EACH, COMPLETIONS, INSTRUCTIONS = 60, 100, 40, 120, 60
GREEDY = Sampling(temperature=0.0, max_tokens=256)
NUMBER = re.compile(r"(?m)^[ \t*_]*\(?\d+[.)]\s+")
READINGS = {"ifeval": ("ifeval", "ifeval-loose"), "gsm8k": ("number-strict", "number")}


class Case(Struct, frozen=True, omit_defaults=True):
    """An answer to be graded: by one rule of IFEval, or against GSM8K's solution.

    `meant` is how a made one was to be graded, strictly and not.
    """

    origin: str
    response: str
    rules: tuple[str, ...] | None = None
    kwargs: tuple[dict[str, Any], ...] = ()
    answer: str | None = None
    meant: tuple[bool, bool | None] | None = None

    @property
    def kind(self) -> str:
        return "gsm8k" if self.rules is None else "ifeval"

    @property
    def what(self) -> str:
        return "gsm8k" if self.rules is None else self.rules[0]


class Difference(Struct, frozen=True):
    """A case on which our verdict is not the peer's, and why."""

    case: Case
    reading: str
    own: bool
    why: str | None

    @property
    def row(self) -> tuple[str, str, str, str]:
        return self.case.what, self.reading, "yes" if self.own else "no", self.why or "not known"


Verdict = tuple[bool, bool]
Table = dict[tuple[str, str], "Tally"]


def ifeval_rows() -> list[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """The prompts with their instructions, named as IFEval names them."""
    found = []
    for line in (SHARED / "hierarchy" / "ifeval.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        names = [name.removeprefix("en:") for name in row["instruction_id_list"]]
        found.append((row["prompt"], list(zip(names, row["kwargs"], strict=True))))
    return found


def gsm8k_rows() -> list[dict[str, str]]:
    with gzip.open(SHARED / "capability" / "gsm8k_test.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


async def answered(prompts: Sequence[str]) -> list[str]:
    """nano's greedy answers."""
    import asyncio

    model = open_model("nano")
    asked = [model.generate([Message("user", prompt)], GREEDY) for prompt in prompts]
    texts = [drawn.text for [drawn] in await asyncio.gather(*asked)]
    await model.close()
    return texts


def spread(rows: Sequence[Any], count: int) -> list[Any]:
    return [rows[i * len(rows) // count] for i in range(count)]


def by_nano() -> Iterator[Case]:
    """Each answer by each instruction of its prompt, and against its solution."""
    rows = spread(ifeval_rows(), IFEVAL)
    for (_, instructions), text in zip(rows, run_sync(answered([r[0] for r in rows])), strict=True):
        for rule, needs in instructions:
            yield Case("nano", text, (rule,), (needs,))
    problems = spread(gsm8k_rows(), GSM8K)
    asks = [f"Question: {row['question']}\nAnswer:" for row in problems]
    for row, text in zip(problems, run_sync(answered(asks)), strict=True):
        yield Case("nano", text, answer=row["answer"])


def by_code() -> Iterator[Case]:
    """Near misses of every rule, and changed solutions."""
    for each in made(EACH):
        yield Case("made", each.response, (each.rule,), (each.needs,), meant=(each.hit, None))
    for row in spread(gsm8k_rows(), GSM8K):
        for text, right in changed(row["answer"]):
            yield Case("made", text, answer=row["answer"], meant=right)


def by_others() -> Iterator[Case]:
    """Completions of large models, each by instructions drawn from IFEval's."""
    rng = random.Random(1)
    asked = [each for _, instructions in ifeval_rows() for each in instructions]
    for model in ("gpt4", "llama2new"):
        for text in rng.sample(completions(model), COMPLETIONS):
            for rule, needs in rng.sample(asked, INSTRUCTIONS):
                yield Case(model, text, (rule,), (needs,))


def completions(model: str) -> list[str]:
    """Of one of the models whose answers XSTest's authors published."""
    place = SHARED / "judging" / f"xstest_completions_{model}.csv.gz"
    with gzip.open(place, "rt", encoding="utf-8", newline="") as file:
        return [row["completion"] for row in csv.DictReader(file)]


def by_counts() -> Iterator[tuple[Case, Case]]:
    """Whether the peer counts as many sentences as we do: no less, and no more.

    On completions that our rule was not made on; as they are, then without the numbers of lists.
    """
    rule = ("length_constraints:number_sentences",)
    texts = completions("llama2orig")
    for name, some in (("whole", texts), ("unnumbered", [NUMBER.sub("", t) for t in texts])):
        for text in filter(str.strip, some):
            count = sentences(text)
            relations = {"at least": max(count, 1), "less than": count + 1}
            needs = [{"relation": r, "num_sentences": n} for r, n in relations.items()]
            yield Case(name, text, rule, (needs[0],)), Case(name, text, rule, (needs[1],))


def ours(case: Case) -> tuple[bool | None, bool | None]:
    """By our two readings; None is unscored."""
    if case.rules is None:
        task: Any = Reference((str(case.answer),))
    else:
        kept = [{k: v for k, v in needs.items() if v is not None} for needs in case.kwargs]
        needs = [{k: tuple(v) if type(v) is list else v for k, v in n.items()} for n in kept]
        task = Constraints(tuple(map(Constraint, case.rules, needs)))
    first, second = (find(CHECKS, name).check(task, case.response) for name in READINGS[case.kind])
    return first.value, second.value


def theirs(cases: Sequence[Case]) -> tuple[list[tuple[bool, bool]], dict[str, str]]:
    """The peer's verdicts, and its versions."""
    try:
        python = peers.python("lm_eval", install=True)
    except peers.Missing as missing:
        sys.exit(f"lm_eval {missing}")
    with tempfile.TemporaryDirectory() as folder:
        asked, said = Path(folder) / "cases.jsonl", Path(folder) / "verdicts.jsonl"
        asked.write_bytes(b"".join(msgjson.encode(case) + b"\n" for case in cases))
        script = peers.CLIENTS / "graders_lm_eval.py"
        subprocess.run([str(python), str(script), str(asked), str(said)], check=True)
        *verdicts, versions = map(json.loads, said.read_text().splitlines())
    return [tuple(v[0] if c.rules else v) for c, v in zip(cases, verdicts, strict=True)], versions


class Tally(Struct):
    """What came of the cases of one rule (or of GSM8K) and one origin, by reading."""

    cases: int = 0
    unscored: int = 0
    differ: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    yes: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    missed: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    peer_missed: list[int] = msgspec.field(default_factory=lambda: [0, 0])


def compared(cases: Sequence[Case], peer: Sequence[Verdict]) -> tuple[Table, list[Difference]]:
    """The tallies, and every disagreement."""
    table: Table = {}
    found = []
    for case, other in zip(cases, peer, strict=False):
        tally = table.setdefault((case.what, case.origin), Tally())
        tally.cases += 1
        mine = ours(case)
        tally.unscored += None in mine
        for i, (own, one) in enumerate(zip(mine, other, strict=True)):
            tally.yes[i] += own is True
            if case.meant is not None and case.meant[i] is not None:
                tally.missed[i] += own is not case.meant[i]
                tally.peer_missed[i] += one is not case.meant[i]
            if own is not None and own != one:
                tally.differ[i] += 1
                why = cause(case.what, case.response, (case.kwargs or ({},))[0])
                found.append(Difference(case, READINGS[case.kind][i], own, why))
    return table, found


def same(counts: Sequence[tuple[Case, Case]], said: Sequence[Verdict]) -> dict[str, list[int]]:
    """For each kind of text: on how many both count as many sentences, of how many."""
    found: dict[str, list[int]] = {}
    for i, (one, _) in enumerate(counts):
        tally = found.setdefault(one.origin, [0, 0])
        tally[0] += said[2 * i][0] and said[2 * i + 1][0]
        tally[1] += 1
    return found


def figures(
    table: Table, found: Sequence[Difference], versions: dict[str, str], equal: dict[str, list[int]]
) -> dict[str, Any]:
    """What is kept of a run."""
    return {
        "versions": versions,
        "tallies": {f"{rule} {origin}": tally for (rule, origin), tally in table.items()},
        "disagreements": [[*row, n] for row, n in sorted(Counter(d.row for d in found).items())],
        "sentences": equal,
    }


def told(
    table: Table, found: Sequence[Difference], versions: dict[str, str], equal: dict[str, list[int]]
) -> Iterator[str]:
    """The figures as Markdown."""
    yield f"Peer: {', '.join(f'{name} {number}' for name, number in versions.items())}."
    yield ""
    origins = list(dict.fromkeys(origin for _, origin in table))
    yield f"| rule | {' | '.join(origins)} |"
    yield f"|---|{'---|' * len(origins)}"
    for rule in dict.fromkeys(rule for rule, _ in table):
        cells = [_cell(table.get((rule, origin))) for origin in origins]
        yield f"| {rule} | {' | '.join(cells)} |"
    for kind, (strict, other) in READINGS.items():
        kept = [t for (rule, _), t in table.items() if (rule == "gsm8k") == (kind == "gsm8k")]
        total = sum(t.cases for t in kept)
        for i, name in enumerate((strict, other)):
            differ = sum(t.differ[i] for t in kept)
            yield f"\n{name}: {total} cases, {differ} disagreements ({differ / total:.2%})"
    made_ones = [t for (_, origin), t in table.items() if origin == "made"]
    for who, misses in (("ours", "missed"), ("the peer's", "peer_missed")):
        counts = [sum(getattr(t, misses)[i] for t in made_ones) for i in (0, 1)]
        yield f"made, {who} verdicts that are not what was meant: {counts[0]} and {counts[1]}"
    for name, (alike, of) in equal.items():
        yield f"sentences, {name}: as many by both on {alike} of {of}"
    yield "\n| rule | our check says | cases | cause |\n|---|---|---|---|"
    for (rule, reading, said, why), count in sorted(Counter(d.row for d in found).items()):
        yield f"| {rule} | {reading}: {said} | {count} | {why} |"


def _cell(tally: Tally | None) -> str:
    """Cases, and those that follow the rule; disagreements, strict and not; the unscored."""
    if tally is None:
        return ""
    left = f", {tally.unscored} unscored" if tally.unscored else ""
    return f"{tally.cases} ({tally.yes[0]}): {tally.differ[0]}, {tally.differ[1]}{left}"


def main() -> None:
    """All cases by both, and what they disagree on."""
    parser = argparse.ArgumentParser(description="Our checks beside lm-evaluation-harness's.")
    parser.add_argument("--every", action="store_true", help="write each disagreement")
    given = parser.parse_args()
    cases = [*by_nano(), *by_code(), *by_others()]
    counts = list(by_counts())
    said, versions = theirs([*cases, *(each for pair in counts for each in pair)])
    table, found = compared(cases, said)
    equal = same(counts, said[len(cases) :])
    print("\n".join(told(table, found, versions, equal)))
    RESULTS.write_bytes(msgjson.format(msgjson.encode(figures(table, found, versions, equal))))
    if given.every:
        for each in found:
            print(json.dumps([*each.row, each.case.kwargs, each.case.response], ensure_ascii=False))
    unknown = [each for each in found if each.why is None]
    if unknown:
        sys.exit(f"{len(unknown)} disagreements without a known cause")


if __name__ == "__main__":
    main()
