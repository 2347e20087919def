"""The Model contract: what every kind of model does, and what its identity means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec import Struct

from trueline.files.errors import InputError
from trueline.records.types import Message, Response, Sampling, Tool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Completion(Struct, frozen=True, omit_defaults=True):
    """One drawn answer; of a turn that was begun (`start`), the continuation alone.

    `message.tool_calls` holds the calls that a server reads out of an answer.  A model that runs
    here writes its calls in the text, as its chat template taught it.  `finish` is why the answer
    ended ("stop", "length", "content_filter", …); `folded` is the rule by which roles that the
    template cannot hold were rewritten, None if nothing was; `logprob` is the sum of the answer's
    token log-probabilities in nats, if the model gives them.
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
    """This kind of model cannot do that (chat endpoints give no likelihoods of given text).

    A model raises it rather than leave out what was asked for."""


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
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        n: int = 1,
        first: int = 0,
        *,
        tools: Sequence[Tool] = (),
        start: str = "",
    ) -> list[Completion]:
        """Samples number `first` … `first + n - 1` of the conversation's answers, in order.

        The model may call `tools`.  `start` is a begun assistant turn, which the answers
        continue.  Raises Unsupported if the model cannot be offered tools or begun turns.
        """
        ...

    async def loglikelihood(
        self, messages: Sequence[Message], continuations: Sequence[str]
    ) -> list[float]:
        """The log-likelihood in nats of each continuation as the assistant's next turn, summed
        over its tokens.  Raises Unsupported if the model gives none."""
        ...

    async def activations(
        self, messages: Sequence[Message], layers: Sequence[int]
    ) -> NDArray[np.float32]:
        """The residual stream, averaged over the tokens of the last turn, the assistant's; shape
        (layers, hidden).

        Layer 0 is the embeddings, layer i what block i writes (the last one after the final
        norm).  Directions between two sets of them are persona vectors (arXiv 2507.21509).
        Never recorded.  Raises Unsupported if the model does not run here.
        """
        ...

    async def close(self) -> None: ...


def tool_schemas(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """The tools as servers and chat templates read them: {"type": "function", "function": …}.

    Raises InputError if a tool's parameters are no JSON object.
    """
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": _read_parameters(tool),
            },
        }
        for tool in tools
    ]


def _read_parameters(tool: Tool) -> dict[str, Any]:
    try:
        return msgspec.json.decode(tool.parameters, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise InputError(
            f"tool {tool.name}: its parameters are to be a JSON schema, an object: {error}"
        ) from error


def response(model: Model, sampling: Sampling, completion: Completion) -> Response:
    """The completion as it is stored in an Example."""
    return Response(
        messages=(completion.message,),
        model=model.identity,
        sampling=sampling,
        finish=completion.finish,
        folded=completion.folded,
    )
