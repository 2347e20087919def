"""Plain values as JSON and back: what a judged program may say to those who judge it.

Reading gives built-in values of exact types, so that what compares them is Python's own code and
not the program's.  What is not plain becomes an `Opaque`, which equals nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MOST = 1_000_000
"""Items of an iterator that are taken from it."""


class Opaque:
    """Stands for an object of the program that is not plain: equal to nothing but itself."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        return f"<an object of the type {self.kind}>"


def encode(value: Any) -> Any:
    """The value as JSON can hold it; objects of subclasses become those of the built-in type."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, bytes | bytearray):
        return {type(value).__name__: bytes(value).hex()}
    if isinstance(value, range):
        return {"range": [value.start, value.stop, value.step]}
    return _many(value)


def _many(value: Any) -> Any:
    if isinstance(value, list):
        return [encode(v) for v in value]
    if isinstance(value, dict):
        return {"dict": [[encode(k), encode(v)] for k, v in value.items()]}
    for name, kind in (("tuple", tuple), ("set", set), ("frozenset", frozenset)):
        if isinstance(value, kind):
            return {name: [encode(v) for v in value]}
    if isinstance(value, Iterator):
        return {"iterator": [encode(v) for _, v in zip(range(MOST), value, strict=False)]}
    return {"object": type(value).__name__}


def decode(value: Any) -> Any:
    """The value that was encoded; ValueError or TypeError where it is none."""
    if isinstance(value, list):
        return [decode(v) for v in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise ValueError("not one kind of value")
    [(kind, held)] = value.items()
    if kind in ("bytes", "bytearray"):
        return (bytes if kind == "bytes" else bytearray).fromhex(held)
    if kind == "object":
        return Opaque(str(held)[:100])
    if not isinstance(held, list):
        raise ValueError(f"a {kind} that is no list")
    items = [decode(v) for v in held]
    match kind:
        case "dict":
            return dict(items)
        case "tuple" | "set" | "frozenset":
            return {"tuple": tuple, "set": set, "frozenset": frozenset}[kind](items)
        case "iterator":
            return iter(items)
        case "range":
            return range(*items)
        case "complex":
            return complex(*items)
    raise ValueError(f"an unknown kind of value: {kind}")
