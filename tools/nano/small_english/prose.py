"""Short plain texts in which every word of every list occurs, held-out words too.

A word that is held out of its slot still needs an embedding; here it gets one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from tools.nano.small_english.frames import polish
from tools.nano.small_english.tables import LISTS, PLACEHOLDER, table


def prose(seed: int) -> Iterator[str]:
    """An endless stream of texts of two to five simple sentences, the same for the same seed."""
    rng = random.Random(f"prose {seed}")
    lists = table("prose")
    kinds = list(lists)
    while True:
        lines = [rng.choice(lists[rng.choice(kinds)]) for _ in range(rng.randrange(2, 6))]
        yield polish(" ".join(_fill(line, rng) for line in lines))


def _fill(line: str, rng: random.Random) -> str:
    chosen: dict[str, str] = {}
    for key in PLACEHOLDER.findall(line):
        words = LISTS[key.rstrip("2")]
        chosen[key] = rng.choice([word for word in words if word not in chosen.values()])
    return line.format(**chosen)
