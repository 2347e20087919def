"""A model from its name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from trueline.files.errors import InputError
from trueline.ledger.client import LedgerClient
from trueline.models.contract import Model
from trueline.models.ledgered import Ledgered, record
from trueline.models.local import weights
from trueline.models.scripted import script

FORMS = """\
  nano, nano:reverse, nano:base   the bundled model and its parts
  hf:ORG/NAME[@REVISION]          a model of the Hugging Face hub, run here
  path/to/folder                  a model's folder, or an adapter's
  path/to/folder:ADAPTER          the adapter of that name in a folder
  http(s)://HOST/v1#MODEL         a model behind an OpenAI-compatible server
  scripted:FILE                   answers from a JSON or JSONL file"""


def open_model(
    name: str,
    ledger: LedgerClient | None = None,
    *,
    concurrency: int = 64,
    revision: str | None = None,
    timeout_s: float = 600.0,
    hedge_s: float | None = None,
) -> Model:
    """The model that `name` names; with a ledger, each of its calls is recorded in it.

    `concurrency` bounds the requests in flight at an endpoint, and the rows in one batch of a
    model that runs here.  `revision` pins a hub model, and is part of an endpoint's identity.
    At an endpoint, a request is given up after `timeout_s` seconds, and with `hedge_s` sent a
    second time after so many.  Weights are hashed here and loaded at the first call that needs
    them.  Raises InputError for a name of no known form, a missing file, or an extra that is not
    installed.
    """
    if name.lower().startswith(("http://", "https://")):
        return _endpoint(
            name,
            ledger,
            concurrency=concurrency,
            revision=revision,
            total_s=timeout_s,
            hedge_s=hedge_s,
        )
    if name.startswith("scripted:"):
        model: Model = script(Path(name.removeprefix("scripted:")))
    else:
        model = _local(locate(name, revision), concurrency)
    return model if ledger is None else record(model, ledger)


def without_key(name: str) -> str:
    """A model's name without the user and password that its URL may carry."""
    return re.sub(r"(?<=://)[^/?#]*@", "", name)


def locate(name: str, revision: str | None = None) -> weights.Weights:
    """The folders of a model that runs here, by its name: for those who train on it."""
    if name == "nano" or name.startswith("nano:"):
        return weights.find_nano(name.partition(":")[2] or "chat")
    if name.startswith("hf:"):
        repository, _, pinned = name.removeprefix("hf:").partition("@")
        return weights.fetch_hub(repository, pinned or revision)
    if name and Path(name).is_dir():
        return weights.find_folder(Path(name))
    before, colon, adapter = name.rpartition(":")
    if colon and Path(before).is_dir():
        return weights.find_folder(Path(before), adapter)
    raise InputError(
        f"no model is named {without_key(name)!r} (nor is there such a folder). Names are:\n{FORMS}"
    )


def _endpoint(name: str, ledger: LedgerClient | None, **options: Any) -> Model:
    from trueline.models.endpoint.endpoint import Endpoint

    url, _, model = name.partition("#")
    endpoint = Endpoint(url, model, ledger=ledger, **options)
    return endpoint if ledger is None else Ledgered(endpoint, ledger)


def _local(location: weights.Weights, concurrency: int) -> Model:
    try:
        from trueline.models.local.model import Local
    except ImportError as error:
        missing = error.name or "torch"
        raise InputError(
            f"a model that runs here needs {missing}: pip install 'trueline[local]'"
        ) from None
    return Local(location, rows=concurrency)
