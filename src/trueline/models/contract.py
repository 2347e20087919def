"""The Model contract: what every kind of model does, and what its identity means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from trueline.records.types import Message, Response, Sampling


class Completion(Struct, frozen=True, omit_defaults=True):
    """One drawn answer.

    `finish` is why it ended ("stop", "length", "content_filter", …); `folded` is the rule by
    which roles that the template cannot hold were rewritten, None where nothing was; `logprob`
    is the sum of the answer's token log-probabilities in nats, where the model gives them.
    """

    message: Message
    finish: str = "stop"
    folded: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    logprob: float | None = None

    @property
    def text(self) -> str:
        return self.message.content


class Unsupported(Exception):
    """This kind of model cannot do that (chat endpoints give no likelihoods of given text)."""


class ModelError(Exception):
    """A call that failed for good, after its retries; the message names no key."""


class Transient(ModelError):
    """A call that failed for now (time-outs, 5xx, a rate limit, no connection, after all
    retries): the row is not at fault, and the same call is worth sending in a later run."""


class Fatal(ModelError):
    """An error that every further call would meet too (401, unknown model): stop at once."""


class Model(Protocol):
    """Anything that answers conversations.

    `identity` changes whenever the answers could: for local models a hash of weights, adapter,
    tokenizer, chat template and dtype; for endpoints host, port, path, model name and a revision
    that the user may set.
    """

    @property
    def identity(self) -> str: ...

    async def generate(
        self, messages: Sequence[Message], sampling: Sampling, n: int = 1, first: int = 0
    ) -> list[Completion]:
        """Samples number `first` … `first + n - 1` of the conversation's answers, in order."""
        ...

    async def loglikelihood(
        self, messages: Sequence[Message], continuations: Sequence[str]
    ) -> list[float]:
        """The log-likelihood in nats of each continuation as the assistant's next turn, summed
        over its tokens.  Raises Unsupported where the model cannot."""
        ...

    async def close(self) -> None: ...


def response(model: Model, sampling: Sampling, completion: Completion) -> Response:
    """The completion as it is stored in an Example."""
    return Response(
        messages=(completion.message,),
        model=model.identity,
        sampling=sampling,
        finish=completion.finish,
        folded=completion.folded,
    )
