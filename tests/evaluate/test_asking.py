"""What every kind of asking does with the models that it is given by role."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from trueline.evaluate.asking import AskSettings, AskSpec, kinds
from trueline.models.contract import Model
from trueline.models.roles import Role
from trueline.models.scripted import Scripted
from trueline.records.types import Choice, Example, Message, Sampling

PROMPT = [Message("user", "Is tea warm?"), Message("user", "Is ice warm?")]


def script(name: str) -> Scripted:
    return Scripted(lambda *_: name, lambda _, text: -float(len(text)), identity=name)


@pytest.mark.parametrize("kind", kinds())
async def test_every_kind_asks_the_target_and_leaves_an_attacker_beside_it_alone(
    kind: str,
) -> None:
    target, attacker = script("target"), script("attacker")
    models: Mapping[Role, Model] = {"attacker": attacker, "target": target}
    example = Example.new(PROMPT, task=Choice(("yes", "no"), 0))
    settings = AskSettings(AskSpec(kind=kind), Sampling())
    asked = await kinds()[kind].ask(models, example, settings)
    assert [response.model for response in asked.responses] == ["target"]
    assert target.requests and not attacker.requests
