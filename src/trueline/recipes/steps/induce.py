"""Instruction induction: a reversed model proposes, rules reject, the best of the rest is chosen.

The choice is by (2 log P(x | y) - log P(x | no text)) / words, in nats: the likelihood alone would
choose the most general instruction, which fits every text; the mutual information alone, the one
with the strangest words.  The sum of the two is ours.
Where the model gives no likelihoods, it is by the share of the instruction's words that stand in
the text.  Each candidate keeps its score, or the reason against it.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from trueline.models.contract import Completion, Model, Unsupported
from trueline.policy.load import load
from trueline.recipes.filters.instruction_rules import against
from trueline.recipes.filters.near_duplicates import shingles
from trueline.records.types import (
    Candidate,
    Example,
    Label,
    LabellerId,
    Message,
    Reject,
    Sampling,
    with_labels,
    with_prompt,
)
from trueline.runs.stream import Item

RULES_VERSION = 2


class InduceOptions(Protocol):
    """What induction needs to be told."""

    @property
    def candidates(self) -> int: ...
    @property
    def temperature(self) -> float: ...
    @property
    def instruction_tokens(self) -> int: ...
    @property
    def seed(self) -> int: ...


class Induction:
    """Writes the prompt of an Example whose first response is the text."""

    def __init__(self, reverse: Model, options: InduceOptions) -> None:
        self.reverse, self.n = reverse, options.candidates
        self.sampling = Sampling(
            temperature=options.temperature,
            max_tokens=options.instruction_tokens,
            seed=options.seed,
        )
        self.by = LabellerId("derived", f"rules@{RULES_VERSION}")
        self.well_formed = load()["well_formed"]

    async def step(self, example: Example) -> Item:
        """The Example with its prompt and the other candidates, or a Reject with them all."""
        text = example.responses[0].text
        drawn = await self.reverse.generate([Message("user", text)], self.sampling, self.n)
        found = [self._candidate(completion, text) for completion in distinct(drawn)]
        sound = [c for c in found if c.note is None]
        if not sound:
            reason = found[0].note or ""
            kept = msgspec.structs.replace(example, candidates=tuple(found))
            reason, _, detail = reason.partition(": ")
            detail = f"{detail} (and {len(found) - 1} other candidates)"
            return Reject("induce", reason, kept, detail=detail)
        scored = await self._scored(sound, text)
        best = max(scored, key=lambda c: (c.score or 0.0, c.text))
        others = [c for c in scored if c is not best] + [c for c in found if c.note is not None]
        chosen = msgspec.structs.replace(best, note=f"chosen: {best.note}")
        prompt = (Message("user", best.text),)
        example = with_prompt(example, prompt, (chosen, *others))
        return with_labels(example, Label.new(example, self.well_formed, (), self.by, value=True))

    def _candidate(self, completion: Completion, text: str) -> Candidate:
        instruction = completion.text.strip()
        note = against(instruction, text)
        if completion.finish == "length":
            note = f"unfinished: over {self.sampling.max_tokens} tokens"
        elif completion.finish == "content_filter":
            note = "withheld: the server's content filter cut it"
        return Candidate(instruction, self.reverse.identity, note=note)

    async def _scored(self, sound: list[Candidate], text: str) -> list[Candidate]:
        instructions = [c.text for c in sound]
        try:
            given = await self.reverse.loglikelihood([Message("user", text)], instructions)
            alone = await self.reverse.loglikelihood([Message("user", "")], instructions)
        except Unsupported:
            words = set(shingles(text))
            scores = [len(shingles(i) & words) / len(shingles(i)) for i in instructions]
            note = "share of its words that stand in the text"
        else:
            scores = [
                (2 * a - b) / max(1, len(i.split()))
                for a, b, i in zip(given, alone, instructions, strict=True)
            ]
            note = "likelihood and mutual information with the text, nats a word"
        return [
            msgspec.structs.replace(c, score=s, note=note)
            for c, s in zip(sound, scores, strict=True)
        ]


def distinct(drawn: list[Completion]) -> list[Completion]:
    """Each text once, in the order of drawing."""
    return list({c.text.strip(): c for c in reversed(drawn)}.values())[::-1]
