"""The child that runs the tests of a program that lives in another process.

The names that the tests use and do not define are the program's: calling one sends the arguments
over and gives back what comes, as plain values.  So the program can return what it likes, and
cannot touch what compares it, find the expected values, or end the tests as passed.
"""

from __future__ import annotations

import builtins
import os
import random
import select
import symtable
import time
from typing import Any

from trueline.sandbox import frames, plain
from trueline.sandbox.program import said

ENDED = "the program ended"
"""The note where its process did; who started that knows how it went."""


class Failed(BaseException):
    """The program gave no reply; no `except Exception` of a test holds it up."""


class Raised(Exception):
    """The program raised something that is not Python's own, or that would steer the tests."""


class Link:
    """The way to the program, a descriptor that does not block: `seconds` is how long it may take
    for all its replies."""

    def __init__(self, descriptor: int, seconds: float) -> None:
        self.descriptor, self.left, self.limit = descriptor, seconds, seconds
        self.asked, self.failed = False, ""

    def call(self, name: str, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """What the program's function `name` returns or raises; lists, dicts and sets that it
        changed are changed here too."""
        self.asked = True
        sent = {
            "call": name,
            "args": [plain.encode(v) for v in args],
            "named": {k: plain.encode(v) for k, v in named.items()},
        }
        found = self.reply(frames.packed(sent))
        if "missing" in found:
            raise self._fails(f"the program has no function {name}: {found['missing']!s:.100}")
        if "raised" in found:
            raise _exception(str(found["raised"]), str(found.get("said"))[:400])
        try:
            value = plain.decode(found["value"])
            for mine, theirs in zip(args, map(plain.decode, found["args"]), strict=True):
                _changed(mine, theirs)
        except (ValueError, TypeError, KeyError, RecursionError, MemoryError) as error:
            raise self._fails(f"the program's reply cannot be read: {said(error)}") from None
        return value

    def reply(self, sent: bytes = b"") -> dict[str, Any]:
        """The next reply, after something is sent; Failed, now and for every later call, where
        there is none."""
        if self.failed:
            raise Failed(self.failed)
        try:
            while sent:
                self._wait(select.POLLOUT)
                sent = sent[os.write(self.descriptor, sent) :]
            found = frames.loaded(self._exactly(frames.counted(self._exactly(frames.HEAD))))
        except (EOFError, ConnectionError):
            raise self._fails(ENDED) from None
        except (ValueError, MemoryError) as error:
            raise self._fails(f"the program's reply cannot be read: {said(error)}") from None
        if not isinstance(found, dict):
            raise self._fails("the program's reply is none")
        return found

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            self._wait(select.POLLIN)
            part = os.read(self.descriptor, count - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def _wait(self, event: int) -> None:
        poll, began = select.poll(), time.monotonic()
        poll.register(self.descriptor, event)
        ready = poll.poll(max(self.left, 0.0) * 1000)
        self.left -= time.monotonic() - began
        if not ready:
            raise self._fails(f"the program did not answer within {self.limit:g} s")

    def _fails(self, why: str) -> Failed:
        self.failed = why
        return Failed(why)


def checked(link: Link, tests: str, entry: str | None) -> dict[str, Any]:
    """`{"value": bool, "note": …}`, or `{"error": …}` where the tests are at fault.

    Tests that do not parse, that raise before they have asked the program anything, or that ask
    nothing at all are at fault; what they raise afterwards is the verdict that it is wrong.
    """
    try:
        code = compile(tests, "<tests>", "exec", dont_inherit=True)
        free = _free(tests)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return {"error": f"the tests do not parse: {said(error)}"}
    space: dict[str, Any] = {"__name__": "tests"}
    space |= {name: _proxy(link, name) for name in free | ({entry} if entry else set())}
    random.seed(0)
    try:
        if "failed" in (ready := link.reply()):
            return {"value": False, "note": f"the program does not load: {ready['failed']!s:.400}"}
        exec(code, space)
        if entry and callable(space.get("check")):
            space["check"](space[entry])
    except MemoryError:
        return {"error": "the tests ran out of their memory"}
    except Exception as error:
        if link.asked:
            return {"value": False, "note": link.failed or said(error)}
        return {"error": f"the tests raised {said(error)} before they asked anything"}
    except Failed:
        return {"value": False, "note": link.failed}
    except BaseException as error:
        return {"error": f"the tests ended themselves: {said(error)}"}
    if link.failed:
        return {"value": False, "note": link.failed}
    return {"value": True} if link.asked else {"error": "the tests ask nothing of the program"}


def _proxy(link: Link, name: str) -> Any:
    def call(*args: Any, **named: Any) -> Any:
        return link.call(name, args, named)

    call.__name__ = name
    return call


def _free(tests: str) -> set[str]:
    """Global names that the tests read and neither they nor Python define.  The program has no
    say in this: a name of Python's that it defines, such as `all`, is not its own here."""
    known = set(dir(builtins)) | {"__name__", "__file__"}
    found: set[str] = set()
    tables = [symtable.symtable(tests, "<tests>", "exec")]
    top = tables[0]
    mine = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            if symbol.is_referenced() if table is top else symbol.is_global():
                found.add(symbol.get_name())
                if symbol.is_declared_global() and symbol.is_assigned():
                    mine.add(symbol.get_name())
    return found - mine - known


def _exception(name: str, text: str) -> Exception:
    """An exception of Python's of that name.  One that ends an iteration is not let through:
    `all(map(program, …))` would take it for the end of the list; nor one that would seem to be
    the tests' own want of memory."""
    kind = getattr(builtins, name, None)
    kept = (StopIteration, StopAsyncIteration, MemoryError)
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, kept):
        try:
            return kind(text)
        except TypeError:  # it wants more than a message
            pass
    return Raised(text)


def _changed(mine: Any, theirs: Any) -> None:
    if type(mine) is not type(theirs):
        return
    if isinstance(mine, list | bytearray):
        mine[:] = theirs
    elif isinstance(mine, dict | set):
        mine.clear()
        mine.update(theirs)
