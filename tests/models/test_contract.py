"""Every kind of model with every part of the contract: it works, or says that it is unsupported."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.endpoint_server import Server

from trueline.ledger.sqlite import open_ledger
from trueline.ledger.summary import summary
from trueline.models.contract import Model, Unsupported
from trueline.models.ledgered import Ledgered, record
from trueline.models.open import open_model
from trueline.models.scripted import Scripted
from trueline.records.types import Message, Sampling, Tool

torch = pytest.importorskip("torch")

ASKED = [Message("user", "Tell me about rain.")]
ANSWERED = [*ASKED, Message("assistant", "The river runs.")]
SAMPLING = Sampling(temperature=0.0, max_tokens=6)
TOOL = Tool("forecast", "The weather of a day.", '{"type": "object", "properties": {"day": {}}}')
START = "Warm rain and"
WITH_TOOLS = (
    "{{ bos_token }}{% for t in tools or [] %}{{ t | tojson }}{% endfor %}{% for m in messages %}"
    "<|turn|>{{ m.role }}\n{{ m.content }}<|end|>\n{% endfor %}<|turn|>assistant\n"
)
SUPPORTED = {
    "scripted": {"tools", "start", "loglikelihood"},
    "endpoint": {"tools"},
    "local": {"start", "loglikelihood", "activations"},
    "local, tools in its template": {"tools", "start", "loglikelihood", "activations"},
    "local, no template": {"start", "loglikelihood", "activations"},
}
CAPABILITIES = ("tools", "start", "loglikelihood", "activations")


@asynccontextmanager
async def opened(kind: str, tiny: Path, folder: Path, recorded: bool) -> AsyncIterator[Model]:
    """A model of the kind, recorded in a ledger or not."""
    async with AsyncExitStack() as stack:
        ledger = None
        if recorded:
            ledger = await stack.enter_async_context(
                await open_ledger(folder / "l.sqlite", run="r")
            )
        model: Model
        if kind == "scripted":
            model = Scripted(lambda *_: "It may rain.", lambda _, text: -float(len(text)))
            model = model if ledger is None else record(model, ledger)
        elif kind == "endpoint":
            server = await stack.enter_async_context(Server())
            model = open_model(f"{server.url}#test", ledger)
            assert isinstance(model, Ledgered) == recorded
        elif kind == "local, no template":
            from trueline.models.local.model import Local
            from trueline.models.local.weights import Weights

            model = Local(Weights("plain", tiny / "base", plain=True))
            model = model if ledger is None else record(model, ledger)
        elif kind == "local":
            model = open_model(f"{tiny}:chat", ledger)
        else:
            shutil.copytree(tiny / "base", folder / "with-tools")
            (folder / "with-tools" / "chat_template.jinja").write_text(WITH_TOOLS)
            model = open_model(str(folder / "with-tools"), ledger)
        stack.push_async_callback(model.close)
        yield model


async def use(model: Model, capability: str) -> None:
    """Asks for it, and fails if the answer shows nothing of it."""
    if capability == "loglikelihood":
        first, second = await model.loglikelihood(ASKED, ["Yes.", "No, the river."])
        assert first != second and max(first, second) < 0
    elif capability == "activations":
        means = await model.activations(ANSWERED, [0, 2])
        assert (means.shape, means.dtype) == ((2, 32), np.float32)
        other = [*ANSWERED[:-1], Message("assistant", "An old bridge.")]
        assert not np.allclose(means, await model.activations(other, [0, 2]))
    else:
        [plain] = await model.generate(ASKED, SAMPLING)
        if capability == "tools":
            [answer] = await model.generate(ASKED, SAMPLING, tools=[TOOL])
        else:
            [answer] = await model.generate(ASKED, SAMPLING, start=START)
            assert not answer.text.startswith(START)
        assert answer.prompt_tokens > plain.prompt_tokens


@pytest.mark.parametrize("recorded", [False, True], ids=["alone", "recorded"])
@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize("kind", SUPPORTED)
async def test_a_capability_works_or_is_unsupported(
    kind: str, capability: str, recorded: bool, tiny: Path, tmp_path: Path
) -> None:
    async with opened(kind, tiny, tmp_path, recorded) as model:
        if capability in SUPPORTED[kind]:
            await use(model, capability)
        else:
            with pytest.raises(Unsupported):
                await use(model, capability)


async def test_tools_and_begun_turns_are_paid_once_each_and_activations_never(
    tiny: Path, tmp_path: Path
) -> None:
    async with opened("local, tools in its template", tiny, tmp_path, True) as model:
        for _ in range(2):
            await model.generate(ASKED, SAMPLING)
            await model.generate(ASKED, SAMPLING, start=START)
            await model.generate(ASKED, SAMPLING, tools=[TOOL])
            await model.activations(ANSWERED, [1])
    (spend,) = summary(tmp_path / "l.sqlite")
    assert (spend.calls, spend.attempts) == (3, 3)
