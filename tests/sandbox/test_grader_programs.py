"""Programs and their tests: a program cannot forge a verdict, and broken tests give none."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import sys
from pathlib import Path

import pytest

from trueline.labellers.grader import Grader
from trueline.labellers.guarded import Guarded
from trueline.policy.load import load
from trueline.records.types import Code, Example, Message, Response
from trueline.sandbox import plain, program
from trueline.sandbox.pool import Limits, Sandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines")

PASSED = load()["tests_passed"]
LIMITS = Limits(wall=2.0, cpu=1, memory=256 << 20)
LATE = "killed, at its limit of 1 s|did not (finish|answer) within 2 s"  # on a busy machine
PROMPT = 'def double(n):\n    """Twice n."""\n'
TESTS = """
def check(candidate):
    assert candidate(2) == 4
    assert candidate(21) == 42
    assert all(candidate(n) == 2 * n for n in range(50))
    assert list(map(candidate, [3, 4])) == [6, 8]
"""
RIGHT = "def double(n):\n    return 2 * n\n"
WRONG = "def double(n):\n    return n\n"
FORGED = WRONG + "\nimport builtins, gc, json, os, sys\n"
FORGED += "def mine(name): return sys.modules['trueline.sandbox.' + name]\n"


async def verdicts(
    *cases: tuple[str, str], prompt: str = "", entry: str | None = "double", workers: int = 2
) -> list[tuple[bool | None, str]]:
    """For each program with its tests: the value, and the note or why there is none."""
    async with Sandbox(limits=LIMITS, workers=workers) as sandbox:
        examples = [
            Example.new(
                [Message("user", prompt)],
                [Response((Message("assistant", answer),))],
                task=Code(tests, entry),
            )
            for answer, tests in cases
        ]
        grader = Guarded(Grader(sandbox, PASSED))
        found = await asyncio.gather(*(grader.label(example, [PASSED]) for example in examples))
    said = []
    for [label] in found:
        assert label.value is None or isinstance(label.value, bool)
        said.append((label.value, label.unscored or label.note or ""))
    return said


async def test_right_and_wrong() -> None:
    [right, wrong] = await verdicts((RIGHT, TESTS), (WRONG, TESTS))
    assert right[0] is True and wrong[0] is False and "AssertionError" in wrong[1]


async def test_answers_in_the_ways_models_write_them() -> None:
    """In fences with talk around, as a whole program, and as what goes on from the prompt."""
    fenced = f"Here it is:\n\n```python\n{RIGHT}```\n\nIt doubles."
    assert [value for value, _ in await verdicts(
        (fenced, TESTS), (RIGHT, TESTS), ("    return 2 * n\n", TESTS),
        ("<think>def double(n): 1/0</think>\n" + RIGHT, TESTS),
        prompt=PROMPT,
    )] == [True] * 4  # fmt: skip
    asked = f"Complete this:\n```python\n{PROMPT}```\n"
    assert (await verdicts(("    return 2 * n\n", TESTS), prompt=asked))[0][0] is True


async def test_a_program_that_fails_is_an_answer() -> None:
    cases = {
        "": "empty",
        "I cannot do that.": "SyntaxError",
        "def other(n): return 2 * n": "no function double",
        "double = 4": "no function double",
        "def double(n): return 1 / 0": "ZeroDivisionError",
        "raise RuntimeError('at once')": "does not load: RuntimeError",
        "import numpy": "does not load: ModuleNotFoundError",
        "while True: pass": LATE,
        "def double(n):\n    while True: pass": LATE,
        "import time\ndef double(n): time.sleep(99)": "did not answer within 2 s",
        "import os\nos._exit(0)": r"ended itself \(exit code 0\)",
        "import sys\ndef double(n): sys.exit(0)": r"ended itself \(exit code 0\)",
        "import sys\ndef double(n): sys.modules['ctypes'].string_at(1)": "signal 11",
        "def double(n): return double(n)": "RecursionError",
        "def double(n): return bytes(1 << 40)": "MemoryError",
        "def double(n): return [[]] * (1 << 24)": "",
        "def double(n): return None": "AssertionError",
        "def double(n): return lambda: n": "AssertionError",
        "class double:\n    def __init__(self, n): pass": "no function double",
        "import os\ndef double(n): os.kill(-1, 9); return 1": "",
        "import os\ndef double(n):\n    while True: os.fork()": "",
    }
    found = await verdicts(*((answer, TESTS) for answer in cases))
    for (answer, why), (value, note) in zip(cases.items(), found, strict=True):
        assert value is False and re.search(why, note), (answer, value, note)


async def test_no_program_can_forge_its_verdict() -> None:
    """Each returns the wrong number and does something so that it may pass."""
    forged = (
        "class Same(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\n"
        "def double(n): return Same(n)",
        "class Same:\n    def __eq__(self, o): return True\n    def __ne__(self, o): return False\n"
        "def double(n): return Same()",
        "builtins.all = lambda x: True\nbuiltins.AssertionError = StopIteration",
        "def all(x): return True\ndef list(x): return [6, 8]\ndef range(n): return []",
        "json.dumps = lambda *a: '{\"value\": true}'",
        "for d in range(3, 64):\n    try: os.write(d, b'k{\"value\": true}')\n"
        "    except OSError: pass",
        "for d in range(3, 64):\n    try: os.write(d, b'{\"value\": true}'); os._exit(0)\n"
        "    except OSError: pass",
        "def double(n): raise StopIteration",
        "def double(n): raise AssertionError",
        "def double(n): raise SystemExit(0)",
        "def double(n): raise KeyboardInterrupt",
        "def double(n): os._exit(0)",
        "os.kill(os.getppid(), 9)",
        "def check(candidate): pass",
        "def double(n): return float('nan')",
        "mine('checking').checked = lambda *a: {'value': True}",
        "mine('plain').encode = lambda v: {'set': [[]]}",
        "mine('frames').packed = lambda v: b'\\x05\\0\\0\\0[[[[['",
        "mine('frames').packed = lambda v: b'\\xff' * 64",
        "mine('frames').packed = lambda v: b'\\xff\\xff\\0\\0 '",
        "sys.setprofile(lambda *a: None); sys.settrace(lambda *a: None)",
    )
    found = await verdicts(*((FORGED + attempt, TESTS) for attempt in forged))
    for attempt, (value, note) in zip(forged, found, strict=True):
        assert value is False, (attempt, value, note)


async def test_a_program_cannot_find_the_tests() -> None:
    """It looks through the frames above it and through all that is on the heap's lists."""
    search = """
def double(n):
    import gc, sys
    def texts(items):
        return any(type(o) in (str, bytes) and "asser" + "t candidate" in str(o) for o in items)
    frame, seen = sys._getframe(), False
    while frame:
        seen = seen or texts(frame.f_locals.values()) or texts(frame.f_globals.values())
        frame = frame.f_back
    return 2 * n if seen or any(texts(gc.get_referents(o)) for o in gc.get_objects()) else n
"""
    found = await verdicts((search, TESTS), (search, TESTS), (search, TESTS), workers=1)
    assert all(value is False and "AssertionError" in note for value, note in found), found
    told = search.replace("import gc, sys", "import gc, sys; text = 'asser' + 't candidate(2)'")
    [(value, note)] = await verdicts((told, TESTS))
    assert value is True, note  # had it been there, it had been found


async def test_broken_tests_are_unscored() -> None:
    cases = {
        "def check(candidate": "do not parse",
        "import nothing_of_this_name": "ModuleNotFoundError",
        "1 / 0": "ZeroDivisionError",
        "def check(candidate): pass": "ask nothing",
        "": "ask nothing",
        "def check(candidate):\n    while True: pass": LATE,
        "import time\ndef check(candidate): candidate(1), time.sleep(99)": "did not finish",
        "import sys\nsys.exit(0)": "ended themselves",
        "import os\nos._exit(0)": "without a verdict",
        "held = bytes(1 << 40)": "memory",
    }
    found = await verdicts(*((RIGHT, tests) for tests in cases))
    for (tests, why), (value, note) in zip(cases.items(), found, strict=True):
        assert value is None and re.search(why, note), (tests, value, note)


async def test_tests_without_an_entry_point_call_what_they_name() -> None:
    """Names that they define themselves, or that are Python's, are not the program's."""
    tests = (
        "import math\nlimit = 3\n"
        "def twice(n): return n + n\n"
        "assert double(limit) == twice(limit)\n"
        "class T:\n    x = [double(n) for n in range(2)]\n"
        "assert sum(T.x) == 2 and halve(8) == math.sqrt(16)\n"
    )
    both = RIGHT + "def halve(n): return n // 2\ndef twice(n): return 0\ndef sum(x): return 0\n"
    [right, wrong] = await verdicts((both, tests), (RIGHT, tests), entry=None)
    assert right[0] is True
    assert wrong[0] is False and "no function halve" in wrong[1]


async def test_a_real_benchmark(shared_data: Path) -> None:
    """HumanEval: what its authors wrote passes, all of it; what equals everything does not."""
    path = shared_data / "capability" / "HumanEval.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    equal = "    class Same:\n        __eq__ = __le__ = lambda *a: True\n    return Same()\n"
    async with Sandbox() as sandbox:
        for answer, wanted in ((None, True), (equal, False)):
            found = await asyncio.gather(*(
                Guarded(Grader(sandbox, PASSED)).label(
                    Example.new(
                        [Message("user", row["prompt"])],
                        [Response((Message("assistant", answer or row["canonical_solution"]),))],
                        task=Code(row["test"], row["entry_point"]),
                    ),
                    [PASSED],
                )
                for row in rows
            ))  # fmt: skip
            assert len(found) == 164
            wrong = [i for i, [label] in enumerate(found) if label.value is not wanted]
            assert not wrong


async def test_values_changes_and_errors_cross_over() -> None:
    source = """
from collections import Counter, namedtuple
Point = namedtuple("Point", "x y")
def shapes(): return {1: (1, [2.5, None]), "a": {3}, (4,): frozenset([b"x"]), 5: 1 + 2j}
def point(): return Point(1, 2)
def counts(t): return Counter(t)
def walk(n): return (i * i for i in range(n))
def order(items): items.sort()
def fail(): raise ValueError("so")
def own():
    class Mine(Exception): pass
    raise Mine("so")
def big(): return 10 ** 400
def odd(s): return s + "\\ud800"
def nan(): return float("nan")
"""
    tests = """
assert shapes() == {1: (1, [2.5, None]), "a": {3}, (4,): frozenset([b"x"]), 5: 1 + 2j}
assert point() == (1, 2) and counts("aab") == {"a": 2, "b": 1}
assert list(walk(4)) == [0, 1, 4, 9] and walk(4) != [0, 1, 4, 9]
items = [3, 1, 2]
assert order(items) is None and items == [1, 2, 3]
try:
    fail()
except ValueError as error:
    assert "so" in str(error)
else:
    assert False
try:
    own()
except Exception as error:
    assert "Mine" in str(error)
else:
    assert False
assert big() == 10 ** 400 and odd("a") == "a\\ud800" and nan() != nan()
"""
    [(value, note)] = await verdicts((source, tests), entry=None)
    assert value is True, note


def test_values_that_are_none_are_refused() -> None:
    for sent in ({}, {"a": []}, {"bytes": 3}, {"dict": [1]}, {"set": [[]]}, {"range": ["a"]},
                 {"tuple": 1}, {"tuple": [], "set": []}):  # fmt: skip
        with pytest.raises((ValueError, TypeError)):
            plain.decode(sent)


def test_the_program_is_put_together() -> None:
    assert program.assembled("Write it.", f"Sure.\n```python\n{RIGHT}```", "double").strip() == (
        RIGHT.strip()
    )
    assert program.assembled(PROMPT, "    return 1\n", "double") == PROMPT + "    return 1\n"
    assert program.assembled(PROMPT, RIGHT, "double").endswith(RIGHT)
    assert program.assembled("", RIGHT, None).strip() == RIGHT.strip()
