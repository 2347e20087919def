"""What a call's answer is filed under: everything that could change it, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from trueline.records.types import Message, Sampling, Tool

_json = msgspec.json.Encoder()


def keys(
    model: str,
    messages: Sequence[Message],
    sampling: Sampling,
    n: int = 1,
    first: int = 0,
    *,
    tools: Sequence[Tool] = (),
    start: str = "",
) -> list[bytes]:
    """The keys of samples number `first` … `first + n - 1` of a conversation's answers.

    `model` is the model's identity.  Texts are taken byte for byte, not normalised as in content
    ids: two spellings of one letter may be answered differently.
    """
    parts: tuple[object, ...] = ("generate", model, messages, sampling)
    if tools or start:  # only if given: keys of earlier calls stay as they are
        parts += (tools, start)
    request = blake2b(_json.encode(parts), digest_size=16)
    samples = []
    for index in range(first, first + n):
        sample = request.copy()
        sample.update(b"#%d" % index)
        samples.append(sample.digest())
    return samples


def loglikelihood_key(
    model: str, messages: Sequence[Message], continuations: Sequence[str]
) -> bytes:
    """The key of one request for likelihoods: its continuations and their order are part of it."""
    # "score" is the name under which ledgers hold these calls, whatever the method is called.
    request = _json.encode(("score", model, messages, continuations))
    return blake2b(request, digest_size=16).digest()
