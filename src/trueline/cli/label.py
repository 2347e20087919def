"""`trueline label`: ask a labeller the policy's questions about a data set."""

from __future__ import annotations

from typing import Any

import typer

from trueline.agreement.cards import find_card, format_card
from trueline.cli.ending import fell_short, report
from trueline.cli.options import make_command
from trueline.labellers.label import Answers, Options, Outcome, label
from trueline.labellers.registry import describe_kinds


def run(options: Options) -> None:
    outcome = label(options)
    if outcome is None:  # a dry run has said what it has to say
        return
    report(outcome, format_outcome(outcome, options.out), options.json)
    if fell_short(outcome.run) or not outcome.sound:
        raise typer.Exit(1)


def format_outcome(outcome: Outcome, out: Any) -> list[str]:
    """The outcome in lines for a person."""
    lines = [f"{outcome.run.rows:,} Examples labelled by {outcome.labeller}, in {out}"]
    if outcome.unfinished:
        lines.append("  the data are unfinished: this is only what they have so far")
    for stage in outcome.run.stages:
        lines += [f"  turned away: {n:,} × {why}" for why, n in stage.rejected.items()]
    for answers in outcome.answers:
        lines += list(_lines(answers))
    return [*lines, *_card(outcome)]


def _lines(answers: Answers) -> list[str]:
    if not answers.asked:
        return [f"  {answers.question}: not asked of anything"]
    covered = f"{answers.answered:,} of {answers.asked:,} answered ({answers.coverage or 0.0:.1%})"
    lines = [f"  {answers.question}: {covered}"]
    shares = answers.values.most_common(20)
    if answers.headline:
        said = ", ".join(f"{v} {n / answers.answered:.1%}" for v, n in shares)
        lines.append(f"    {said}")
    else:
        bounds = "; by what the unscored could be:" if shares else ""
        lines.append(f"    too few for a headline{bounds}")
        for value, _ in shares:
            low, high = answers.extremes(value)
            lines.append(f"      {value}: {low:.1%} to {high:.1%}")
    lines += [f"    unscored: {n:,} × {why}" for why, n in answers.unscored.most_common(5)]
    return lines


def _card(outcome: Outcome) -> list[str]:
    """How far this instrument agrees with people, if that was measured; code needs no card."""
    if not outcome.measured:
        return []
    questions = [answers.question for answers in outcome.answers]
    return format_card(find_card(outcome.instrument), questions)


# \b keeps the lines of a list as they are.
HELP = f"""Ask a labeller the policy's questions; labels go apart from their data.

\b
A labeller is named:
{describe_kinds()}"""
command = make_command(Options, run, HELP)
