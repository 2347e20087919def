"""A model that runs in this process, on transformers: float32 on a CPU, bfloat16 on CUDA."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec
import torch

from trueline.files.errors import InputError
from trueline.models.contract import Completion, Unsupported
from trueline.models.local import weights
from trueline.models.local.engine import Engine, Face, Request
from trueline.records.types import Message, Sampling

MAX_TOKENS = 256  # where the sampling sets no bound

_engines: dict[tuple[str, str], Engine] = {}
_sharing = threading.Lock()


class Local:
    """The Model contract over an engine that models with the same base share.

    Concurrent calls are answered in batches of at most `rows` rows; the event loop stays free.
    Sample i is drawn by a digest of the messages and of seed + i (no seed: 0 + i), whatever
    batch it falls in.
    """

    def __init__(self, found: weights.Weights, *, rows: int = 64, device: str = "") -> None:
        _check_template(found)
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.float32 if self._device == "cpu" else torch.bfloat16
        self.identity, base, adapter = weights.identified(found, str(dtype))
        self._face = Face(found, adapter)
        self._key = (base, self._device)
        with _sharing:
            if self._key not in _engines:
                _engines[self._key] = Engine(found.base, self._device, dtype, rows)
            self._engine: Engine | None = _engines[self._key]
            self._engine.users += 1

    async def generate(
        self, messages: Sequence[Message], sampling: Sampling, n: int = 1, first: int = 0
    ) -> list[Completion]:
        if sampling.schema is not None:
            raise Unsupported(f"{self.identity}: models that run here are held to no JSON schema")
        if sampling.max_tokens is None:
            sampling = msgspec.structs.replace(sampling, max_tokens=MAX_TOKENS)
        start = (sampling.seed or 0) + first
        seeds = [_seed(messages, start + i) for i in range(n)]
        return await self._submit(messages, sampling, seeds=seeds)

    async def loglikelihood(
        self, messages: Sequence[Message], continuations: Sequence[str]
    ) -> list[float]:
        """Tokens of the continuation alone count: no end mark is added to it.

        Behind a prompt without a chat template, white space at the prompt's end is scored with the
        continuation: most tokenizers join it to the word behind.
        """
        sums, _ = await self.loglikelihood_with_reads(messages, continuations)
        return sums

    async def loglikelihood_with_reads(
        self, messages: Sequence[Message], continuations: Sequence[str]
    ) -> tuple[list[float], int]:
        """What `score` gives, and how many tokens were read for it: what calls in one batch share
        counts for one of them."""
        if not continuations:
            return [], 0
        found = await self._submit(messages, Sampling(), continuations=tuple(continuations))
        return [one.total for one in found], sum(one.read for one in found)

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

    async def _submit(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        seeds: Sequence[int] = (),
        continuations: Sequence[str] = (),
    ) -> list[Any]:
        if self._engine is None:
            raise RuntimeError(f"{self.identity} is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Any]] = loop.create_future()
        self._engine.submit(
            Request(
                self._face,
                messages,
                sampling,
                loop,
                future,
                seeds=list(seeds),
                continuations=continuations,
            )
        )
        return await future


def _seed(messages: Sequence[Message], sample: int) -> int:
    asked = msgspec.json.encode((messages, sample))
    return int.from_bytes(blake2b(asked, digest_size=7).digest(), "big")


def _check_template(found: weights.Weights) -> None:
    if found.plain or found.template is not None:
        return
    if (found.tokenizer / "chat_template.json").is_file():
        return
    settings = found.tokenizer / "tokenizer_config.json"
    if settings.is_file() and b'"chat_template"' in settings.read_bytes():
        return
    raise InputError(
        f"{found.adapter or found.base}: has no chat template, and none is invented: put the one "
        "that the model was trained with there, as chat_template.jinja"
    )
