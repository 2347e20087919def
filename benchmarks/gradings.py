"""Confined gradings a second, by what confines them, beside a fresh Python for each grading.

The grader is trivial, so that what is measured is what grading costs; programs have a process for
themselves and one for their tests.

python benchmarks/gradings.py [COUNT]
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from trueline.labellers.grader import Grader
from trueline.labellers.guarded import Guarded
from trueline.policy.load import load
from trueline.records.types import Code, Example, Hierarchy, Message, Response
from trueline.sandbox.confine import LAYERS
from trueline.sandbox.pool import Sandbox

GRADER = "def grade_output_correct(a, b):\n    return b.endswith('1')\n"
TESTS = "def check(candidate):\n    assert candidate(1) == 1\n"
SYSTEMS = {
    "all layers": LAYERS,
    "without namespaces": ("user", "seccomp"),
    "without seccomp": ("namespaces", "user"),
}


def task(number: int) -> Example:
    prompt = [Message("system", "End with one."), Message("user", "Hello")]
    answer = Response((Message("assistant", f"It is {number % 2}"),))
    return Example.new(prompt, [answer], task=Hierarchy("<<<>>>", "system", "user", GRADER))


def program(number: int) -> Example:
    source = f"def number(n):\n    return {number % 2}\n"
    return Example.new(responses=[Response((Message("assistant", source),))],
                       task=Code(TESTS, "number"))  # fmt: skip


async def graded(layers: tuple[str, ...], examples: list[Example]) -> tuple[str, float]:
    """The mechanism, and gradings a second; every verdict is checked."""
    async with Sandbox(layers=layers) as sandbox:
        held = isinstance(examples[0].task, Hierarchy)
        question = load()["hierarchy_held" if held else "tests_passed"]
        grader = Guarded(Grader(sandbox, question))
        await asyncio.gather(*(grader.label(e, [question]) for e in examples[:8]))  # all started
        began = time.perf_counter()
        found = await asyncio.gather(*(grader.label(e, [question]) for e in examples))
        rate = len(examples) / (time.perf_counter() - began)
    assert [label.value for [label] in found] == [bool(i % 2) for i in range(len(examples))]
    return sandbox.mechanism, rate


def bare(count: int) -> float:
    """Runs a second of a Python that starts, asks the grader and ends, unconfined."""
    code = f"{GRADER}print(grade_output_correct('', '1'))"
    command = [sys.executable, "-I", "-S", "-c", code]
    began = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        runs = list(threads.map(lambda _: subprocess.check_output(command), range(count)))
    assert runs == [b"True\n"] * count
    return count / (time.perf_counter() - began)


def main(count: int) -> None:
    load, cores = os.getloadavg()[0], os.cpu_count()
    print(f"{count} gradings, {cores} cores, load {load:.1f} before the start")
    for kind, make in (("texts", task), ("programs", program)):
        for name, layers in SYSTEMS.items():
            mechanism, rate = asyncio.run(graded(layers, [make(i) for i in range(count)]))
            print(f"{kind:9} {name:19} {rate:7.0f}/s  ({mechanism})")
    print(f"{'texts':9} {'a Python for each':19} {bare(min(count, 200)):7.0f}/s  (unconfined)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
