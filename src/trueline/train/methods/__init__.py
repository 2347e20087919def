"""The training methods, one file each with a `METHOD`; a new file is a new method.

Its command `trueline train NAME` comes with it.  Methods of other people are found in files that
the user names and in the entry points `trueline.methods`.
"""

from __future__ import annotations

from trueline.files import plugins
from trueline.files.errors import InputError
from trueline.files.plugins import Family
from trueline.train.method import Method
from trueline.train.options import TrainOptions

METHODS = Family("training method", "trueline.train.methods", "trueline.methods", ("METHOD",))


def method_names() -> list[str]:
    """The names of all methods, sorted; nothing is imported."""
    return plugins.names(METHODS)


def find_method(name: str) -> Method[TrainOptions]:
    """The method of this name; InputError, with near names, if there is none."""
    module = plugins.find(METHODS, name)
    method = module.METHOD
    assert isinstance(method, Method)
    if method.name != name:
        raise InputError(
            f"{module.__file__}: its METHOD is named {method.name!r}, and the file says {name!r}: "
            "give them one name"
        )
    return method
