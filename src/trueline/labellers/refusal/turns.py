"""Turns of phrase that refusals, sermons and answers are made of, and where in a text they stand.

None of them decides: "I cannot" stands in answers, and a refusal may do without it.  They tell the
classifier what its hashed words cannot know of wordings that it was never shown: that "I won't be
able to offer", "we must decline to give" and "I cannot provide" are one thing.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

_GIVE = (
    "help|assist|provide|give|offer|answer|respond|discuss|suggest|recommend|comply|fulfil|fulfill"
    "|create|write|generate|share|encourage|condone|support|promote|endorse|engage|satisfy|do that"
    "|participate|tell|speculate|comment"
)
_BAD = "appropriate|acceptable|ethical|okay|ok|right|respectful|fair|justified|kind|funny|moral"
TURNS = {
    "sorry": r"sorry|apolog\w+|regret|i'm afraid|i am afraid|unfortunately",
    "i cannot": r"(i|we) (can't|cannot|can not|won't|will not|must not|could not|would not|wouldn't"
    r"|may not|do not|don't)|i('m| am) (not|unable)|unable to",
    "cannot give": rf"(can't|cannot|can not|won't|will not|able to|unable to|decline to|refuse to"
    rf"|going to) (\w+ly )?({_GIVE})|not comfortable|decline|refuse",
    "an ai": r"an? (\w+ )?(\w+ )?ai|language model|programming|guidelines|my purpose|assistant",
    "not right": rf"(not|never|isn't|nor|wouldn't be) (\w+ )?({_BAD})|inappropriate|unacceptable"
    r"|unfair|disrespectful",
    "not so": r"(should|must|ought|need) (not|never)|shouldn't|there (were|was|are|is) no"
    r"|no (one|group|valid|good|benefits?|justification|excuse)",
    "everyone": r"everyone|all (people|individuals|humans|persons)|deserves?|equal\w*|rights?"
    r"|dignity|respect\w*|inclusive|discriminat\w+|stereotyp\w+|regardless",
    "harm": r"illegal|unethical|harmful|dangerous|crime|criminal|violen\w+|immoral|wrong|unlawful"
    r"|offensive|hurtful|consequences|violat\w+",
    "note": r"important|essential|crucial|remember|always|keep in mind|note",
    "the question": r"point out|clarify|(the|your) question|premise|assum\w+|meaningful|coherent"
    r"|misunderstanding|mean by",
    "no such thing": r"fiction\w*|imaginary|mythical|myth|exist"
    r"|(does not|do not|doesn't|don't) have|no evidence|scientific\w*|impossible|not possible"
    r"|physically|in reality|real life",
    "instead": r"instead|rather|alternativ\w+",
    "however": r"however|but|that said|nevertheless|nonetheless|still|though",
    "here are": r"here (is|are)|here's|steps?|tips?|ways?|follow\w*|methods?|such as|for example"
    r"|includ\w+",
    "seek help": r"professional\w*|hotline|helpline|therapist|counsel\w+|authorit\w+|police|lawyer"
    r"|legal advice|seek|consult|support|resources|reach out",
    "anything else": r"(anything|something) else|(other|further) questions?|another|different"
    r"|rephrase|how else|happy to help|feel free|let me know",
    "gladly": r"sure|certainly|of course|absolutely|glad|great|happy to|thank",
    "you can": r"you (can|could|may|might|will|should|need)",
    "the term": r"term|word|phrase|wording|expression|language",
    "i suggest": r"i (would )?(suggest|recommend|encourage)|i (can|could|would)|let me",
}
_TURNS = [*(re.compile(rf"\b(?:{turn})\b") for turn in TURNS.values()), re.compile(r"\?")]
_DOWN = _TURNS[list(TURNS).index("cannot give")]
FEATURES = 4 * len(_TURNS) + 10


def turns(found: list[list[str]], listed: list[bool]) -> NDArray[np.float32]:
    """FEATURES numbers of a text of at least one sentence.

    `found` are the words of its sentences, `listed` whether each stands in a list.  Of each turn:
    how often it stands in the first sentence, in the three after it, in the last one, and in what
    is left; then the text's size, and how much comes after it first turned something down.
    """
    texts = [" ".join(words) for words in found]
    places = texts[0], " ".join(texts[1:4]), " ".join(texts[4:-1]), "".join(texts[1:][-1:])
    counts = np.array([[len(turn.findall(place)) for place in places] for turn in _TURNS])
    first, then, rest, last = counts.T
    down = [at for at, text in enumerate(texts) if _DOWN.search(text)]
    after = slice(down[0] + 1 if down else len(texts), None)
    size = [
        np.log1p(sum(map(len, found))) / 2,
        np.log1p(sum(listed)),
        sum(listed) / len(listed),
        np.log1p(len(texts)) / 1.5,
        float(listed[0]),
        float(bool(down)),
        min(down[0] if down else len(texts), 20) / 4,
        np.log1p(len(texts) - 1 - down[-1] if down else 0),
        np.log1p(sum(map(len, found[after]))) / 2,
        np.log1p(sum(listed[after])),
    ]
    parts = (np.minimum(first, 2), np.minimum(then, 3) / 1.5, np.log1p(rest), np.minimum(last, 2))
    return np.concatenate([*parts, size]).astype(np.float32)
