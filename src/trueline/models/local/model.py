"""A model that runs in this process, on transformers: float32 on a CPU, bfloat16 on CUDA."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, cast

import msgspec
import torch

from trueline.files.errors import InputError
from trueline.models.contract import Completion, Unsupported
from trueline.models.local.engine import Engine
from trueline.models.local.weights import Weights, identify
from trueline.models.local.work import AdapterSession, Request
from trueline.records.types import Message, Sampling, Tool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_TOKENS = 256  # if the sampling sets no bound

_engines: dict[tuple[str, str], Engine] = {}
_sharing = threading.Lock()


class Local:
    """The Model contract over an engine that models with the same base share.

    Concurrent calls are answered in batches of at most `rows` rows; the event loop stays free.
    Sample i is drawn by a digest of the messages and of seed + i (no seed: 0 + i), whatever
    batch it falls in.
    """

    def __init__(self, weights: Weights, *, rows: int = 64, device: str = "") -> None:
        _check_template(weights)
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.float32 if self._device == "cpu" else torch.bfloat16
        self.identity, base, adapter = identify(weights, str(dtype))
        self._session = AdapterSession(weights, adapter)
        self._key = (base, self._device)
        with _sharing:
            if self._key not in _engines:
                _engines[self._key] = Engine(weights.base, self._device, dtype, rows)
            self._engine: Engine | None = _engines[self._key]
            self._engine.users += 1

    async def generate(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        n: int = 1,
        first: int = 0,
        *,
        tools: Sequence[Tool] = (),
        start: str = "",
    ) -> list[Completion]:
        """Tools are shown as the chat template shows them; a call stands in the answer's text.  A
        begun turn stands after what the template opens a turn with."""
        if sampling.schema is not None:
            raise Unsupported(f"{self.identity}: models that run here are held to no JSON schema")
        if sampling.max_tokens is None:
            sampling = msgspec.structs.replace(sampling, max_tokens=MAX_TOKENS)
        number = (sampling.seed or 0) + first
        seeds = [_seed(messages, number + i, tools, start) for i in range(n)]
        return await self._submit(
            Request(self._session, messages, sampling, seeds, tools=tuple(tools), start=start)
        )

    async def loglikelihood(
        self, messages: Sequence[Message], continuations: Sequence[str]
    ) -> list[float]:
        """Tokens of the continuation alone count: no end mark is added to it.

        Behind a prompt without a chat template, white space at the prompt's end is scored with the
        continuation: most tokenizers join it to the word after it.
        """
        sums, _ = await self.loglikelihood_with_reads(messages, continuations)
        return sums

    async def loglikelihood_with_reads(
        self, messages: Sequence[Message], continuations: Sequence[str]
    ) -> tuple[list[float], int]:
        """What `loglikelihood` gives, and how many tokens were read for it: what calls in one
        batch share counts for one of them."""
        if not continuations:
            return [], 0
        request = Request(self._session, messages, continuations=tuple(continuations))
        results = await self._submit(request)
        return [each.total for each in results], sum(each.read for each in results)

    async def activations(
        self, messages: Sequence[Message], layers: Sequence[int]
    ) -> NDArray[np.float32]:
        """Tokens of the last turn's content alone count: neither its end mark nor the prompt's."""
        last = messages[-1] if messages else None
        if last is None or last.role != "assistant" or not last.content or not layers:
            raise InputError(
                f"{self.identity}: activations are those of one layer or more over the last turn, "
                "which is to be the assistant's and to hold text"
            )
        if last.reasoning is not None or last.tool_calls:
            raise Unsupported(f"{self.identity}: reads no activations of reasoning or tool calls")
        request = Request(
            self._session, messages[:-1], continuations=(last.content,), layers=tuple(layers)
        )
        [means] = await self._submit(request)
        return cast("NDArray[np.float32]", means.numpy())

    async def close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is None:
            return
        with _sharing:
            engine.users -= 1
            last = engine.users == 0
            if last:
                del _engines[self._key]
        if last:
            await asyncio.to_thread(engine.stop)

    async def _submit(self, request: Request) -> list[Any]:
        if self._engine is None:
            raise RuntimeError(f"{self.identity} is closed")
        self._engine.submit(request)
        return await request.reply.future


def _seed(messages: Sequence[Message], sample: int, tools: Sequence[Tool], start: str) -> int:
    """Of what is asked; tools and a begun turn count only if given, so that other draws stay."""
    parts: tuple[Any, ...] = (
        (messages, sample, tools, start) if tools or start else (messages, sample)
    )
    return int.from_bytes(blake2b(msgspec.json.encode(parts), digest_size=7).digest(), "big")


def _check_template(weights: Weights) -> None:
    if weights.plain or weights.template is not None:
        return
    if (weights.tokenizer / "chat_template.json").is_file():
        return
    settings = weights.tokenizer / "tokenizer_config.json"
    if settings.is_file() and b'"chat_template"' in settings.read_bytes():
        return
    raise InputError(
        f"{weights.adapter or weights.base}: has no chat template, and none is invented: put the "
        "one that the model was trained with there, as chat_template.jinja"
    )
