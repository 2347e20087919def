"""Plug-ins: the modules of one family, ours and other people's.

A module belongs to a family if it has the family's marks (a recipe has `Options` and `build`).
Three places are searched: the family's package, the files that the user named (`add_file`), and
entry points of installed packages, which are looked at only if a name is not in the first two.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from types import ModuleType

from msgspec import Struct

from trueline.files.errors import InputError
from trueline.files.lines import check_regular_file


class Family(Struct, frozen=True):
    """One kind of plug-in.

    `kind` names it in messages ("recipe"), `package` holds ours, `group` is that of the entry
    points (a name and a module each), and `marks` are the attributes that a module must have.
    `reserved` are names that mean something else, which no plug-in may take.
    """

    kind: str
    package: str
    group: str
    marks: tuple[str, ...]
    reserved: tuple[str, ...] = ()


_files: dict[Path, ModuleType] = {}


def add_file(path: Path, families: Iterable[Family] = ()) -> None:
    """Load a plug-in file; it runs with the rights of whoever names it.

    Raises InputError if there is no such file, if it is no Python, or if it fails; and, if families
    are given, if it belongs to none of them or has the name of one of ours.
    """
    check_regular_file(path)
    path = path.resolve()
    if path in _files:
        return
    spec = importlib.util.spec_from_file_location(f"trueline_plugin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is no plug-in: a plug-in is a Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    if every := list(families):
        _check_fits(path, module, every)
    _files[path] = module


def _check_fits(path: Path, module: ModuleType, families: list[Family]) -> None:
    fitting = [family for family in families if _has_marks(module, family)]
    if not fitting:
        kinds = "; ".join(f"a {f.kind} has {', '.join(f.marks)}" for f in families)
        raise InputError(f"{path} is no plug-in of any kind: {kinds}")
    name, mend = _name(path.stem), "give the file another name"
    for family in fitting:
        if name in _packaged(family) or name in family.reserved:
            raise InputError(f"{path}: {name!r} names a {family.kind} of trueline's own: {mend}")
        for other, earlier in _files.items():
            if _name(other.stem) == name and _has_marks(earlier, family):
                raise InputError(f"{path} and {other} are both the {family.kind} {name!r}: {mend}")


def file_paths() -> list[Path]:
    """The plug-in files that were added, in order."""
    return list(_files)


def names(family: Family) -> list[str]:
    """The names of all plug-ins of a family, sorted; nothing of ours is imported."""
    own = set(_packaged(family))
    filed = {_name(path.stem) for path, module in _files.items() if _has_marks(module, family)}
    return sorted(own | filed | {point.name for point in _points(family)})


def find(family: Family, name: str) -> ModuleType:
    """The plug-in of this name.  Raises InputError, with near names, if there is none."""
    packaged = _packaged(family)
    if name in packaged:
        return importlib.import_module(packaged[name])
    for path, module in _files.items():
        if _name(path.stem) == name and _has_marks(module, family):
            return module
    for point in _points(family):
        if point.name == name:
            return _load(point, family)
    known = names(family)
    near = difflib.get_close_matches(name, known, 3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
    raise InputError(
        f"unknown {family.kind} {name!r}: {hint} (a file of your own is named before the verb: "
        "trueline --plugin FILE.py …)"
    )


def modules(family: Family) -> dict[str, ModuleType]:
    """All plug-ins of a family by name, imported."""
    return {name: find(family, name) for name in names(family)}


def _packaged(family: Family) -> dict[str, str]:
    """The modules of the family's package by the names of their plug-ins."""
    package = importlib.import_module(family.package)
    return {
        _name(module.name): f"{family.package}.{module.name}"
        for module in pkgutil.iter_modules(package.__path__)
    }


def _name(stem: str) -> str:
    return stem.replace("_", "-")


def _points(family: Family) -> list[metadata.EntryPoint]:
    points = metadata.entry_points(group=family.group)
    free = (point for point in points if point.name not in family.reserved)
    return sorted(free, key=lambda point: point.name)


def _load(point: metadata.EntryPoint, family: Family) -> ModuleType:
    who = f"the {family.kind} {point.name!r} of the installed package"
    try:
        module = point.load()
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise InputError(f"{who} ({point.value}) cannot be loaded: {why}") from error
    if not _has_marks(module, family):
        marks = ", ".join(family.marks)
        raise InputError(f"{who} ({point.value}) lacks one of {marks}: it is no {family.kind}")
    assert isinstance(module, ModuleType)
    return module


def _has_marks(module: object, family: Family) -> bool:
    return all(hasattr(module, mark) for mark in family.marks)
