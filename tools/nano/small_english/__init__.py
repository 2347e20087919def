"""The small English: one grammar that generates dialogues, reads requests and accepts answers.

Nouns: a *list* of words, a *fact* (a word with what belongs to it), an *intent* (what a request
asks, with frames for requests and answers), a *setting* (what system and developer turns ask),
a *dialogue* (messages with the intent and the act that made them), a *verdict* on an answer.
"""

from tools.nano.small_english.accept import Verdict, accepts, parse_request
from tools.nano.small_english.dialogues import Dialogue, dialogue, dialogues
from tools.nano.small_english.tables import INTENTS, Intent

__all__ = [
    "INTENTS",
    "Dialogue",
    "Intent",
    "Verdict",
    "accepts",
    "dialogue",
    "dialogues",
    "parse_request",
]
