"""Short plain texts in which every word of every list occurs, held-out words too.

A word that is held out of its slot still needs an embedding; here it gets one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from tools.nano.small_english.frames import polish
from tools.nano.small_english.tables import LISTS, PLACEHOLDER

LINES = {
    "name": ("My friend is called {name}.", "{name} and {name2} are good friends.", "I saw {name} on {day}."),
    "thing": ("The {thing} is on the table.", "{name} has a {thing} and a {thing2}.", "I can see a {adjective} {thing}."),
    "food": ("There is {food} for {meal}.", "{name} likes {food} more than {food2}.", "The {food} smells good."),
    "place": ("We walked to the {place}.", "The {place} is near the {place2}.", "It was quiet in the {place}."),
    "person": ("The {person} came on {day}.", "My {person} and my {person2} are here.", "A {person} lives next door."),
    "animal": ("The {animal} sleeps.", "A {animal} and a {animal2} ran away.", "{name} saw a {adjective} {animal}."),
    "plant": ("A {plant} grows here.", "The {plant} is next to the {plant2}.", "We saw a {plant} in the garden."),
    "event": ("The {event} was long.", "After the {event} there was a {event2}.", "{name} missed the {event}."),
    "clothes": ("The {clothes} is wet.", "{name} has a {adjective} {clothes}.", "A {clothes} and a {clothes2} hang there."),
    "land": ("{land} is far away.", "From {land} we went to {land2}.", "It is warm in {land}."),
    "topic": ("I often think of {topic}.", "We talked about {topic} and {topic2}.", "{name} knows a lot about {topic}."),
    "water": ("The {water} is deep.", "We sat near the {water}.", "The {water} was cold."),
    "word": ("The word is {word}.", "He said {word} and then {word2}.", "I like the word {word}."),
    "club": ("The {club} meets on {day}.", "{name} knows the {club}.", "There is a {club} in our town."),
    "adjective": ("It is very {adjective}.", "It was {adjective} and {adjective2}.", "How {adjective} it is!"),
    "weak": ("It was a {weak} day.", "The old car was {weak} and {weak2}.", "That was {weak}."),
}  # fmt: skip


def prose(seed: int) -> Iterator[str]:
    """An endless stream of texts of two to five simple sentences, the same for the same seed."""
    rng = random.Random(f"prose {seed}")
    kinds = list(LINES)
    while True:
        lines = [rng.choice(LINES[rng.choice(kinds)]) for _ in range(rng.randrange(2, 6))]
        yield polish(" ".join(_fill(line, rng) for line in lines))


def _fill(line: str, rng: random.Random) -> str:
    chosen: dict[str, str] = {}
    for key in PLACEHOLDER.findall(line):
        words = LISTS[key.rstrip("2")]
        chosen[key] = rng.choice([word for word in words if word not in chosen.values()])
    return line.format(**chosen)
