"""How fast multiple-choice items are scored, and whether lm-evaluation-harness scores them alike.

nano in float32 on the CPU, the same texts, the same rows in a batch and the same threads for:

- ours, which reads each prompt of a batch once;
- ours, whole: the same program with that switched off, each continuation behind its own prompt;
- lm-evaluation-harness, its `hf` model, in an environment of its own.

Each is one process that stays loaded, and they take turns, so that noise meets all alike: read
the ratios, and on a busy machine those of the processor's seconds.  Items that nano cannot hold
are left out, for lm-evaluation-harness cuts them and ours does not.

    python benchmarks/likelihood.py [--quick] [--each N] [--rounds N] [--threads N] [--no-peers]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from harness import peers
from harness.choices import Item, answers, letters, options, sound
from harness.machine import machine, versions
from trueline.models.local.templates import Template
from trueline.models.open import locate
from trueline.records.types import Message

HEADINGS = ("client", "items/s", "a CPU s", "× ours", "CPU", "same", "most apart, nats")
ROWS = 64
TOLERANCE = 1e-3  # nats, of the sum over a continuation's tokens
WINDOW = 1024
ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results" / "likelihood.json"
TOLD = {
    "letters": "MMLU, options listed, a letter of one token",
    "shots": "the same behind two solved questions, of every eighth subject",
    "options": "MMLU, the options' texts behind a prompt that ends in a space",
    "chat": "TruthfulQA, answers' texts as nano's chat part would give them",
}


def sets(data: Path, each: int) -> dict[str, list[Item]]:
    """The items by set, about as many in each."""
    return {
        "letters": list(letters(data, each)),
        "shots": list(letters(data, 8 * each, shots=2, step=8)),
        "options": list(options(data, each)),
        "chat": list(answers(data, 57 * each)),
    }


def written(found: dict[str, list[Item]], folder: Path) -> dict[str, Any]:
    """The work for every client: what ours is asked, and the pairs of strings that it reads.

    The chat part is merged into the base for the others, since they know no template of ours.
    """
    from transformers import AutoTokenizer

    base, chat = locate("nano:base"), locate("nano")
    tokenizer = AutoTokenizer.from_pretrained(base.base)
    tokenizer.chat_template = chat.template
    template = Template(tokenizer)
    merged = _merged(folder / "chat")
    work: dict[str, Any] = {"rows": ROWS, "sets": {}}
    for name, items in found.items():
        pairs = []
        for item in items:
            asked = item.asked
            if name == "chat":
                asked = template.render([Message("user", asked)]).text
            longest = max(len(tokenizer(asked + text)["input_ids"]) for text in item.texts)
            if sound(item) and longest <= WINDOW:
                pairs.append((item, (asked, item.texts)))
        work["sets"][name] = {
            "model": "nano" if name == "chat" else "nano:base",
            "folder": str(merged if name == "chat" else base.base),
            "names": [item.name for item, _ in pairs],
            "items": [(item.asked, item.texts) for item, _ in pairs],
            "pairs": [pair for _, pair in pairs],
            "left_out": len(items) - len(pairs),
        }
    return work


def _merged(folder: Path) -> Path:
    """nano's chat part as one model of float32 weights, with its tokenizer."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    chat = locate("nano")
    model = AutoModelForCausalLM.from_pretrained(chat.base, dtype="float32")
    PeftModel.from_pretrained(model, chat.adapter).merge_and_unload().save_pretrained(folder)
    AutoTokenizer.from_pretrained(chat.base).save_pretrained(folder)
    return folder


class Client:
    """A process that scores the set whose name it reads; `problem` says why it cannot."""

    def __init__(self, name: str, command: list[str], threads: int) -> None:
        self.name, self.problem = name, ""
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (it ends with the process)
        settings = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        settings |= {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ | settings | {"PYTHONWARNINGS": "ignore"},
        )

    def ask(self, name: str) -> dict[str, Any] | None:
        """What it says of the set; None once it has a problem."""
        if self.problem:
            return None
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(f"{name}\n")
            self._process.stdin.flush()
            return dict(json.loads(self._process.stdout.readline()))
        except (OSError, ValueError):
            self._errors.seek(0)
            last = [line for line in self._errors.read().splitlines() if line.strip()][-1:]
            self.problem = f"ended without a result: {''.join(last)[:200]}"
            return None

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def clients(work: Path, told: argparse.Namespace) -> Iterator[tuple[list[Client], dict[str, str]]]:
    """Those that take part, and why others do not."""
    script = str(peers.CLIENTS / "likelihood_ours.py")
    commands = {
        "ours": [sys.executable, script, str(work)],
        "ours, whole": [sys.executable, script, str(work), "--whole"],
    }
    missing: dict[str, str] = {}
    try:
        if told.no_peers:
            raise peers.Missing("left out by --no-peers")
        python = peers.python("lm_eval_hf", install=not told.quick)
        commands["lm_eval"] = [str(python), str(peers.CLIENTS / "likelihood_lm_eval.py"), str(work)]
    except peers.Missing as why:
        missing["lm_eval"] = str(why)
    running = [Client(name, command, told.threads) for name, command in commands.items()]
    try:
        yield running, missing
    finally:
        for client in running:
            client.close()


def timed(items: int, rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """By client: the median of its items a second, and how often what ours needs it needs, by
    wall clock and by processor; the median of the rounds' ratios."""
    found: dict[str, Any] = {}
    for client in rounds[0]:
        row: dict[str, Any] = {}
        for clock in ("seconds", "cpu_s"):
            row[clock] = [one[client][clock] for one in rounds]
            ratios = [one[client][clock] / one["ours"][clock] for one in rounds]
            row[f"{clock}_times_ours"] = statistics.median(ratios)
        row["items_s"] = items / statistics.median(row["seconds"])
        row["items_cpu_s"] = items / statistics.median(row["cpu_s"])
        found[client] = row
    return found


def agreement(names: list[str], ours: list[list[float]], theirs: list[list[float]]) -> Any:
    """How far the scores of two clients lie apart, and the items in which that shows."""
    differing, most = [], 0.0
    for name, one, other in zip(names, ours, theirs, strict=True):
        apart = max(abs(a - b) for a, b in zip(one, other, strict=True))
        most = max(most, apart)
        if apart > TOLERANCE or one.index(max(one)) != other.index(max(other)):
            differing.append({"item": name, "ours": one, "theirs": other})
    return {"items": len(names), "same": len(names) - len(differing), "most_apart": most,
            "differing": differing}  # fmt: skip


def show(console: Console, name: str, row: dict[str, Any]) -> None:
    """A set's times and its agreement."""
    table = Table(title=f"{name}: {TOLD[name]}", title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "client" else "right")
    for client, one in row["clients"].items():
        same = row["agreement"].get(client)
        agreed = [f"{same['same']} of {same['items']}", f"{same['most_apart']:.1e}"] if same else []
        rates = [f"{one[rate]:.1f}" for rate in ("items_s", "items_cpu_s")]
        times = [f"{one[f'{clock}_times_ours']:.2f} x" for clock in ("seconds", "cpu_s")]
        table.add_row(client, *rates, *times, *agreed)
    console.print(table)
    told = f"{row['items']} items, {row['left_out']} left out; pairs cut elsewhere by lm_eval: "
    console.print(f"  {told}{row['straddling']}", highlight=False)
    for client, same in row["agreement"].items():
        for each in same["differing"]:
            console.print(f"  {client}: {each}", markup=False)


def told_options() -> argparse.Namespace:
    """From the command line; QUICK=1 in the environment is --quick."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", default=bool(os.environ.get("QUICK")))
    parser.add_argument("--each", type=int, help="items of each of MMLU's 57 subjects")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--out", type=Path, help="where the results go, as JSON")
    told = parser.parse_args()
    told.each = told.each or (1 if told.quick else 4)
    told.rounds = told.rounds or (1 if told.quick else 3)
    return told


def measured(work: dict[str, Any], told: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Every set with every client, round by round."""
    file = folder / "work.json"
    file.write_text(json.dumps(work))
    found: dict[str, Any] = {}
    with clients(file, told) as (running, missing):
        for name, part in work["sets"].items():
            rounds: list[dict[str, Any]] = []
            for number in range(told.rounds):
                turn = running if number % 2 == 0 else running[::-1]
                said = {client.name: client.ask(name) for client in turn}
                rounds.append({c.name: said[c.name] for c in running if said[c.name]})
            last = rounds[-1]
            known = [{client: one[client] for client in last} for one in rounds]
            found[name] = {
                "items": len(part["names"]),
                "left_out": part["left_out"],
                "clients": timed(len(part["names"]), known),
                "agreement": {
                    client: agreement(part["names"], last["ours"]["scores"], said["scores"])
                    for client, said in last.items()
                    if client != "ours"
                },
                "straddling": last.get("lm_eval", {}).get("straddling"),
            }
            show(Console(), name, found[name])
        problems = missing | {client.name: client.problem for client in running if client.problem}
    for client, problem in problems.items():
        print(f"{client}: {problem}")
    return {"sets": found, "problems": problems}


def used() -> dict[str, str]:
    """What the figures depend on, and the commit."""
    of = ("torch", "transformers", "peft", "tokenizers")
    shared = {name: versions()[name] for name in ("python", "trueline", "commit")}
    return shared | {name: version(name) for name in of} | {"lm_eval": peers.version("lm_eval_hf")}


def main() -> int:
    """Measures, shows and stores; 1 where a score or a choice differs."""
    told = told_options()
    named = os.environ.get("TRUELINE_SHARED_DATA")
    data = Path(named) if named else ROOT.parent / "shared" / "data"
    if not data.is_dir():
        print("left out: TRUELINE_SHARED_DATA names no folder with the data")
        return 0
    before = machine()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(written(sets(data, told.each), Path(folder)), told, Path(folder))
    differ = any(
        same["differing"] for row in found["sets"].values() for same in row["agreement"].values()
    )
    out = told.out or (None if told.quick or told.no_peers else RESULTS)
    if out is not None:
        command = " ".join(["python benchmarks/likelihood.py", *sys.argv[1:]])
        whole = {"command": command, "rows": ROWS, "threads": told.threads,
                 "tolerance": TOLERANCE, "versions": used(),
                 "machine": before, **found}  # fmt: skip
        out.write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n")
    return int(differ)


if __name__ == "__main__":
    sys.exit(main())
