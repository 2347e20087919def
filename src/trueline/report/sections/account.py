"""What the page accounts for beside its numbers: commands, cost, and what is missing."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from trueline.evaluate.options import Options
from trueline.ledger.summary import Spend
from trueline.report.pairs import Pair, Party
from trueline.report.text import named
from trueline.runs.options import option_fields
from trueline.train.card import Card


class Command(Struct, frozen=True):
    """A command line, and what it makes."""

    makes: str
    line: str


class Missing(Struct, frozen=True):
    """Something that is not among the compared numbers: of which model or comparison, and why."""

    mark: str
    what: str
    why: str


# ---- commands --------------------------------------------------------------------------------


def commands(
    pairs: Sequence[Pair], parties: Sequence[Party], cards: dict[str, Card], page: str
) -> list[Command]:
    """The command lines that train, evaluate and compare again; `cards` are by the treated
    model's mark, and `page` is the command line that wrote the page, where that is known."""
    found = [
        Command(f"Trains {mark}:", training(card, pair.treated.name))
        for pair in pairs
        for mark, card in cards.items()
        if mark == pair.treated.mark
    ]
    found += [Command(f"Evaluates {p.mark}:", evaluation(p)) for p in parties]
    if page:
        return [*found, Command("Compares, and writes this page:", page)]
    return found + [
        Command(
            f"Compares {p.treated.mark} with {p.base.mark}:",
            shlex.join(["trueline", "compare", p.base.folder, p.treated.folder]),
        )
        for p in pairs
    ]


def evaluation(party: Party) -> str:
    """The evaluation again, from its settings: those that were not the default."""
    words, config = ["trueline", "evaluate"], party.results.config
    plain = msgspec.to_builtins(
        {f.name: f.default for f in option_fields(Options) if not f.required}, enc_hook=str
    )
    if not config.get("rescore"):
        words.append(str(config.get("model") or party.name))
    for name, default in plain.items():
        value = party.folder if name == "out" else config.get(name, default)
        if name != "model" and (name == "out" or value != default):
            words += _option(name, value)
    return shlex.join(words)


def training(card: Card, out: str) -> str:
    """The training again, every setting named."""
    given = {**card.options, "learning_rate": card.learning_rate}
    words = ["trueline", "train", card.method]
    words += [card.data.source] if card.data.source else []
    for name, value in given.items():
        words += _option(name, value)
    return shlex.join([*words, "--out", out])


def _option(name: str, value: Any) -> list[str]:
    flag = name.replace("_", "-")
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    if isinstance(value, (list, tuple)):
        return [word for one in value for word in (f"--{flag}", str(one))]
    return [f"--{flag}", str(value)]


# ---- cost ------------------------------------------------------------------------------------


def spending(parties: Sequence[Party]) -> list[tuple[Party, list[Spend], Spend]]:
    """What each evaluation spent, by model (its own and its judges'), and in all."""
    return [(p, p.results.spend, total(p.results.spend)) for p in parties]


def total(spend: Sequence[Spend]) -> Spend:
    """The sum; failures are summed by class."""
    failures: dict[str, int] = {}
    for one in spend:
        for name, count in one.failures.items():
            failures[name] = failures.get(name, 0) + count
    return Spend(
        run="",
        model="",
        calls=sum(s.calls for s in spend),
        answers=sum(s.answers for s in spend),
        hits=sum(s.hits for s in spend),
        attempts=sum(s.attempts for s in spend),
        failures=failures,
        prompt_tokens=sum(s.prompt_tokens for s in spend),
        completion_tokens=sum(s.completion_tokens for s in spend),
        money=sum(s.money for s in spend),
        seconds=sum(s.seconds for s in spend),
    )


# ---- what is missing -------------------------------------------------------------------------


def missing(pairs: Sequence[Pair], parties: Sequence[Party]) -> list[Missing]:
    """All that was left out of an evaluation, not compared, or withheld from the headline."""
    found = [
        Missing(p.mark, "the whole evaluation", "it is not complete: its run ended early")
        for p in parties
        if not p.results.complete
    ]
    for p in parties:
        found += [Missing(p.mark, what, why) for what, why in p.results.left_out.items()]
        found += [
            Missing(
                p.mark,
                f"{ran.name}: {ran.invalid_rows:,} rows",
                "they are no items: see its rejects",
            )
            for ran in p.results.benchmarks
            if ran.invalid_rows
        ]
    for pair in pairs:
        mark = f"{pair.treated.mark} against {pair.base.mark}"
        found += [Missing(mark, what, why) for what, why in pair.comparison.not_compared.items()]
        found += [
            Missing(mark, f"{d.metric.benchmark}: {named(d.metric)}", f"withheld: {d.withheld}")
            for d in pair.comparison.differences
            if d.withheld is not None
        ]
    return found
