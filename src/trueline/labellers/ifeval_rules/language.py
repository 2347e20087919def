"""Rules about the language of a response, which py3langid names (Lui and Baldwin's langid).

It chooses among `LANGUAGES`.  Where the likeliest has less than `SURE`, as with a word or two,
whether the rule is followed cannot be told: the label is unscored, not no.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from trueline.labellers.checks import version
from trueline.labellers.ifeval_rules.needs import Needs, Unfit, Untold, word

PACKAGES = ("py3langid",)
LANGUAGES = frozenset(
    "af ar bg bn ca cs cy da de el en es et fa fi fr gu he hi hr hu id it ja kn ko lt lv mk ml mr "
    "ne nl no pa pl pt ro ru sk sl so sq sv sw ta te th tl tr uk ur vi zh".split()
)
SURE = 0.8


def response_language(text: str, needs: Needs) -> str | None:
    """The response is in the language, named by its code of two letters."""
    wanted = word(needs, "language").partition("-")[0]
    if wanted not in LANGUAGES:
        raise Unfit(f"language is {wanted!r:.40}, none of {' '.join(sorted(LANGUAGES))}")
    return _in(wanted, text)


def english_capital(text: str, needs: Needs) -> str | None:
    """The response is English and has no small letter."""
    return _in("en", text) if text.isupper() else "not all in capitals"


def english_lowercase(text: str, needs: Needs) -> str | None:
    """The response is English and has no capital letter."""
    return _in("en", text) if text.islower() else "not all in small letters"


def _in(wanted: str, text: str) -> str | None:
    if not any(sign.isalpha() for sign in text):
        return "it has no word"
    found, sure = _identifier().classify(text)
    if sure < SURE:
        raise Untold(f"its language cannot be told: {found} with {sure:.2f}")
    return None if found == wanted else f"in {found}, not in {wanted}"


@cache
def _identifier() -> Any:
    version(*PACKAGES)
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    found = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    found.set_languages(sorted(LANGUAGES))
    return found
