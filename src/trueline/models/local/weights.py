"""Where a local model's files lie, and the hash of all of them that could change its answers."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

from trueline.files.errors import InputError
from trueline.files.hashing import digest, hash_file

WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
SETTINGS = ("config.json", "generation_config.json", "adapter_config.json")
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
)
TEMPLATE = ("chat_template.jinja", "chat_template.json")
FILES = (*WEIGHTS, *SETTINGS, *TOKENIZER, *TEMPLATE)

# Where the files came from and who wrote them changes no answer.
_PROVENANCE = {"base_model_name_or_path", "_name_or_path", "transformers_version", "revision"}


class Weights(Struct, frozen=True):
    """The folders of a local model: a whole model, and an adapter on top or None.

    `plain` is a model that continues text and is given it without a chat template.
    """

    name: str
    base: Path
    adapter: Path | None = None
    plain: bool = False

    @property
    def tokenizer(self) -> Path:
        """The folder whose tokenizer counts: the adapter's own, if it has one."""
        own = self.adapter is not None and (self.adapter / "tokenizer.json").is_file()
        return self.adapter if own and self.adapter else self.base

    @property
    def template(self) -> str | None:
        """The chat template's text, if it stands in a file of its own: the adapter's first."""
        for folder in (self.adapter, self.base):
            if folder is not None and (folder / "chat_template.jinja").is_file():
                return (folder / "chat_template.jinja").read_text(encoding="utf-8")
        return None


class Identity(NamedTuple):
    """A model's identity, and the hashes of its base and of its adapter, which models share."""

    identity: str
    base: str
    adapter: str | None


def identify(weights: Weights, dtype: str) -> Identity:
    """What a local model is when it runs in `dtype`, as torch writes it ("torch.float32")."""
    parts = (*WEIGHTS, *SETTINGS)
    base = hash_folders([weights.base], parts)
    adapter = None if weights.adapter is None else hash_folders([weights.adapter], parts)
    tokenizer = hash_folders([weights.tokenizer], (*TOKENIZER, *TEMPLATE))
    whole = digest([base, adapter, tokenizer, weights.template, weights.plain, dtype])
    return Identity(f"{weights.name}@{whole}", base, adapter)


def nano_folder() -> Path:
    """The folder of the bundled model: base, and an adapter for each part."""
    return Path(str(importlib.resources.files("trueline.models"))) / "nano"


def find_nano(part: str) -> Weights:
    """The bundled model's part: "base" continues text, the others are its adapters."""
    folder = nano_folder()
    if not (folder / "base" / "config.json").is_file():
        raise InputError("the bundled model is missing from this installation of trueline")
    if part == "base":
        return Weights("nano:base", folder / "base", plain=True)
    name = "nano" if part == "chat" else f"nano:{part}"
    if not (folder / part / "adapter_config.json").is_file():
        parts = sorted(p.parent.name for p in folder.glob("*/adapter_config.json"))
        raise InputError(f"nano has no part {part!r}; it has base, {', '.join(parts)}")
    return Weights(name, folder / "base", folder / part)


def find_folder(path: Path, adapter: str | None = None) -> Weights:
    """The model in a folder: a whole one, an adapter, or the adapter of that name in it.

    An adapter's base is the one its configuration names (relative to the adapter's folder, or
    `nano`, or a model on the hub); for an adapter named in a folder, the model in that folder.
    Raises InputError for a folder that holds neither, or no weights as safetensors.
    """
    name = path.resolve().name
    if adapter is not None:
        inner = path / adapter
        if not (inner / "adapter_config.json").is_file():
            raise InputError(f"{path}: there is no adapter {adapter!r} (no adapter_config.json)")
        whole = (p for p in (path, path / "base") if (p / "config.json").is_file())
        return _check_weights(
            Weights(f"{name}:{adapter}", next(whole, None) or _find_base(inner), inner)
        )
    if (path / "adapter_config.json").is_file():
        return _check_weights(Weights(name, _find_base(path), path))
    if not (path / "config.json").is_file():
        raise InputError(f"{path}: holds no model (neither config.json nor adapter_config.json)")
    return _check_weights(Weights(name, path))


def fetch_hub(name: str, revision: str | None) -> Weights:
    """A model of the Hugging Face hub, fetched if it is not in the local cache yet."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise InputError("hub models need an extra: pip install 'trueline[local]'") from None
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(FILES)))
    except Exception as error:
        why = type(error).__name__
        raise InputError(f"hf:{name}: cannot be fetched ({why}); is it spelt so?") from error
    if _is_adapter(folder):
        return _check_weights(Weights(name, _find_base(folder), folder))
    return _check_weights(Weights(name, folder))


def _check_weights(weights: Weights) -> Weights:
    for path in (weights.base, weights.adapter):
        if path is not None and not any(path.glob("*.safetensors")):
            raise InputError(
                f"{path}: holds no weights as *.safetensors, and pickled ones are never loaded: "
                "save the model again with save_pretrained"
            )
    return weights


def _is_adapter(path: Path) -> bool:
    return (path / "adapter_config.json").is_file() and not (path / "config.json").is_file()


def _find_base(adapter: Path) -> Path:
    """The folder of the model that an adapter was trained on."""
    settings = _read_settings(adapter / "adapter_config.json")
    named = str(settings.get("base_model_name_or_path") or "")
    if named in ("nano", "nano:base"):
        return find_nano("base").base
    for candidate in (adapter / named, Path(named)):
        if named and (candidate / "config.json").is_file():
            return candidate
    if named.count("/") == 1 and not named.startswith((".", "/", "~")):
        return fetch_hub(named, settings.get("revision")).base
    raise InputError(
        f"{adapter}: its adapter_config.json names the base model {named!r}, which is no folder "
        "with a config.json (relative to the adapter's), nor 'nano', nor ORG/NAME on the hub"
    )


def _read_settings(path: Path) -> dict[str, Any]:
    """What a settings file holds; InputError if it cannot be read."""
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(settings, dict):
        raise InputError(f"{path} is no JSON object")
    return settings


# ---- the hash --------------------------------------------------------------------------------


def hash_folders(folders: Iterable[Path], patterns: Sequence[str] = FILES) -> str:
    """A digest of the contents of the folders' files that could change an answer."""
    files = [
        (number, path.name, path)
        for number, folder in enumerate(folders)
        for path in sorted({p for pattern in patterns for p in folder.glob(pattern)})
    ]
    with ThreadPoolExecutor(8) as pool:
        hashes = list(pool.map(lambda file: _hash_part(file[2]), files))
    return digest([[number, name, h] for (number, name, _), h in zip(files, hashes, strict=True)])


def _hash_part(path: Path) -> str:
    """A file's digest; settings without what they say of their provenance."""
    if path.name in SETTINGS:
        return digest({k: v for k, v in _read_settings(path).items() if k not in _PROVENANCE})
    try:
        return hash_file(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
