"""What a call's answer is filed under: everything that could change it, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from trueline.records.types import Message, Sampling

_json = msgspec.json.Encoder()


def keys(
    model: str, messages: Sequence[Message], sampling: Sampling, n: int = 1, first: int = 0
) -> list[bytes]:
    """The keys of samples number `first` … `first + n - 1` of a conversation's answers.

    `model` is the model's identity.  Texts are taken byte for byte, not normalised as in content
    ids: two spellings of one letter may be answered differently.
    """
    asked = blake2b(_json.encode(("generate", model, messages, sampling)), digest_size=16)
    found = []
    for index in range(first, first + n):
        sample = asked.copy()
        sample.update(b"#%d" % index)
        found.append(sample.digest())
    return found


def loglikelihood_key(
    model: str, messages: Sequence[Message], continuations: Sequence[str]
) -> bytes:
    """The key of one request for likelihoods: its continuations and their order are part of it."""
    # "score" is the name under which ledgers hold these calls, whatever the method is called.
    asked = _json.encode(("score", model, messages, continuations))
    return blake2b(asked, digest_size=16).digest()
