"""Whether a response follows every instruction of IFEval's kind, as it stands (strict).

IFEval (Zhou et al., arXiv 2311.07911) names 25 instructions that code can verify; they are in
`ifeval_rules`.  The answer is yes if all of a task's are followed (IFEval's prompt-level
accuracy), and the note of a no names each that is not.
"""

from __future__ import annotations

from collections.abc import Sequence

from trueline.labellers.answer import Answer
from trueline.labellers.checks import no, wrong_task
from trueline.labellers.ifeval_rules import RULES
from trueline.labellers.ifeval_rules.language import PACKAGES as PACKAGES
from trueline.labellers.ifeval_rules.needs import Needs, Rule, Unfit, Untold
from trueline.records.types import Constraints, Task

QUESTION = "constraints_met"
VERSION = 1

PREFIX = "en:"
"""Some copies of the data name the language of the prompt before the rule."""


def check(task: Task, text: str) -> Answer:
    """Yes where the response follows every rule of the task."""
    return followed(task, [text])


def followed(task: Task, forms: Sequence[str]) -> Answer:
    """Yes where each rule is followed by some form of the response; a blank form follows none.

    A rule that is not known, or lacks what it needs, leaves the task unscored, whatever the
    response; one that cannot tell leaves it so only where no other is broken.
    """
    if not isinstance(task, Constraints):
        return wrong_task(task, "Constraints")
    if not task.rules:
        return Answer(unscored="the task has no rule")
    if not any(form.strip() for form in forms):
        return no("the response is empty")
    broken, untold = [], []
    for each in task.rules:
        name = each.rule.removeprefix(PREFIX)
        if name not in RULES:
            return Answer(unscored=f"the rule {each.rule!r:.60} is not known")
        try:
            if wrong := _wrong(RULES[name], each.needs, forms):
                broken.append(f"{name} ({wrong})")
        except Unfit as error:
            return Answer(unscored=f"{name}: {error}")
        except Untold as error:
            untold.append(f"{name}: {error}")
    if broken:
        return no(f"{len(broken)} of {len(task.rules)} not followed: {'; '.join(broken)}")
    return Answer(unscored="; ".join(untold)) if untold else Answer(True)


def _wrong(rule: Rule, needs: Needs, forms: Sequence[str]) -> str | None:
    """What is wrong with the first form, where something is wrong with all of them."""
    first: str | None = None
    untold: Untold | None = None
    for form in forms:
        if not form.strip():
            continue
        try:
            wrong = rule(form, needs)
        except Untold as error:
            untold = untold or error
            continue
        if wrong is None:
            return None
        first = first or wrong
    if untold is not None:
        raise untold
    return first
