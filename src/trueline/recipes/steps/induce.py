"""Instruction induction: a reversed model proposes, rules reject, the best of the rest is chosen.

The choice is by (2 log P(x | y) - log P(x | no text)) / words, in nats: the likelihood alone would
choose the most general instruction, which fits every text; the mutual information alone, the one
with the strangest words.  The sum of the two is ours.
Where the model gives no likelihoods, it is by the share of the instruction's words that stand in
the text.  Each candidate keeps its score, or the reason against it.
"""

from __future__ import annotations

import msgspec

from trueline.models.contract import Completion, Model, Unsupported
from trueline.policy.types import Policy
from trueline.recipes.filters.instruction_rules import Limits, find_objection
from trueline.recipes.filters.near_duplicates import shingles
from trueline.records.types import (
    Candidate,
    Example,
    Label,
    LabellerId,
    Message,
    Sampling,
    with_labels,
    with_prompt,
)
from trueline.runs.context import RunContext
from trueline.runs.stage import Bound, Calls, Outcome, Rejected

RULES_VERSION = 2
WELL_FORMED = "well_formed"
"""The policy's question whether a prompt is an instruction at all: the rules answer it."""


def induce(
    context: RunContext,
    *,
    model: str,
    count: int,
    sampling: Sampling,
    limits: Limits | None = None,
) -> Calls:
    """Writes the prompt of an Example whose first response is the text, from `count` candidates.

    If the policy asks whether a prompt is well formed, the rules' answer is stored.
    """
    induction = Induction(
        context.model(model, "reverse"), count, sampling, limits or Limits(), context.policy
    )
    # One draw and two scorings, if it can; a server may give one sample a request.
    most = Bound(max(3, count), count * (sampling.max_tokens or 0))
    return Calls(induction.induce, bounds={model: most})


class Induction:
    """A reversed model, and how its candidates are drawn, checked and chosen."""

    def __init__(
        self, reverse: Model, count: int, sampling: Sampling, limits: Limits, policy: Policy
    ) -> None:
        self.reverse, self.count, self.sampling, self.limits = reverse, count, sampling, limits
        self.by = LabellerId("derived", f"rules@{RULES_VERSION}")
        self.well_formed = policy.get(WELL_FORMED)

    async def induce(self, example: Example) -> Outcome:
        """The Example with its prompt and the other candidates, or rejected with them all."""
        text = example.responses[0].text
        drawn = await self.reverse.generate([Message("user", text)], self.sampling, self.count)
        objections = {c.text.strip(): self._object(c, text) for c in distinct(drawn)}
        candidates = [
            Candidate(text, self.reverse.identity, note=objection and ": ".join(objection))
            for text, objection in objections.items()
        ]
        valid = [c for c in candidates if c.note is None]
        if not valid:
            kept = msgspec.structs.replace(example, candidates=tuple(candidates))
            reason, detail = next(o for o in objections.values() if o)
            others = f"(and {len(candidates) - 1} other candidates)"
            return Rejected(kept, reason, f"{detail} {others}")
        scored = await self._score(valid, text)
        best = max(scored, key=lambda c: (c.score or 0.0, c.text))
        others_kept = [c for c in scored if c is not best]
        others_kept += [c for c in candidates if c.note is not None]
        chosen = msgspec.structs.replace(best, note=f"chosen: {best.note}")
        prompt = (Message("user", best.text),)
        example = with_prompt(example, prompt, (chosen, *others_kept))
        if self.well_formed is None:
            return example
        return with_labels(example, Label.new(example, self.well_formed, (), self.by, value=True))

    def _object(self, completion: Completion, text: str) -> tuple[str, str] | None:
        if completion.finish == "length":
            return "unfinished", f"over {self.sampling.max_tokens} tokens"
        if completion.finish == "content_filter":
            return "withheld", "the server's content filter cut it"
        return find_objection(completion.text.strip(), text, self.limits)

    async def _score(self, valid: list[Candidate], text: str) -> list[Candidate]:
        instructions = [c.text for c in valid]
        try:
            with_text = await self.reverse.loglikelihood([Message("user", text)], instructions)
            without_text = await self.reverse.loglikelihood([Message("user", "")], instructions)
        except Unsupported:
            words = set(shingles(text))
            scores = [len(shingles(i) & words) / len(shingles(i)) for i in instructions]
            note = "share of its words that stand in the text"
        else:
            scores = [
                (2 * a - b) / max(1, len(i.split()))
                for a, b, i in zip(with_text, without_text, instructions, strict=True)
            ]
            note = "likelihood and mutual information with the text, nats a word"
        return [
            msgspec.structs.replace(c, score=s, note=note)
            for c, s in zip(valid, scores, strict=True)
        ]


def distinct(drawn: list[Completion]) -> list[Completion]:
    """Each text once, in the order of drawing."""
    return list({c.text.strip(): c for c in reversed(drawn)}.values())[::-1]
