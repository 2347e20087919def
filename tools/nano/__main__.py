"""`python -m tools.nano`: rebuilds the bundled model, part by part or as a whole."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path


def main() -> None:
    """Reads the command line and runs one step."""
    parser = argparse.ArgumentParser(prog="python -m tools.nano", description=__doc__)
    parser.add_argument("step", choices=["tokenizer", "base", "chat", "reverse", "ship", "all"])
    parser.add_argument("--work", type=Path, default=Path(".nano"), help="where to build")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--minutes",
        type=float,
        nargs="+",
        default=[42, 11, 13],
        help="training time: of the part, or of base, chat and reverse",
    )
    parser.add_argument("--eager", action="store_true", help="do not compile")
    args = parser.parse_args()

    # Imported here so that --help needs no torch.
    import torch

    from tools.nano.model import SHIPPED
    from tools.nano.tokenizer import train_tokenizer
    from tools.nano.train import train

    torch.set_num_threads(min(2, torch.get_num_threads()))
    parts = ["base", "chat", "reverse"]
    wanted = ["tokenizer", *parts, "ship"] if args.step == "all" else [args.step]
    for step in wanted:
        if step == "tokenizer":
            train_tokenizer(args.seed, args.work / "base")
        elif step == "ship":
            for part in parts:
                shutil.copytree(args.work / part, SHIPPED / part, dirs_exist_ok=True)
        else:
            minutes = args.minutes[parts.index(step) if len(args.minutes) == 3 else 0]
            train(step, args.work, args.seed, minutes * 60, compiled=not args.eager)


if __name__ == "__main__":
    main()
