"""The rules of IFEval (Zhou et al., arXiv 2311.07911): 25 instructions that code can verify.

A rule is a function of a response, which is not blank, and of what the instruction needs.  It
says what is wrong, or None where the instruction is followed.  They are written from the paper's
descriptions; where those leave something open, the rule's docstring says how it is read here.
"""

from __future__ import annotations

from collections.abc import Mapping

from trueline.labellers.ifeval_rules import content, form, language, length, words
from trueline.labellers.ifeval_rules.needs import Rule

RULES: Mapping[str, Rule] = {
    "keywords:existence": words.existence,
    "keywords:frequency": words.frequency,
    "keywords:forbidden_words": words.forbidden,
    "keywords:letter_frequency": words.letter_frequency,
    "language:response_language": language.response_language,
    "length_constraints:number_sentences": length.number_sentences,
    "length_constraints:number_paragraphs": length.number_paragraphs,
    "length_constraints:number_words": length.number_words,
    "length_constraints:nth_paragraph_first_word": length.nth_paragraph_first_word,
    "detectable_content:number_placeholders": content.number_placeholders,
    "detectable_content:postscript": content.postscript,
    "detectable_format:number_bullet_lists": form.number_bullet_lists,
    "detectable_format:constrained_response": form.constrained_response,
    "detectable_format:number_highlighted_sections": form.number_highlighted_sections,
    "detectable_format:multiple_sections": form.multiple_sections,
    "detectable_format:json_format": form.json_format,
    "detectable_format:title": form.title,
    "combination:two_responses": content.two_responses,
    "combination:repeat_prompt": content.repeat_prompt,
    "startend:end_checker": content.end_checker,
    "startend:quotation": content.quotation,
    "change_case:capital_word_frequency": words.capital_word_frequency,
    "change_case:english_capital": language.english_capital,
    "change_case:english_lowercase": language.english_lowercase,
    "punctuation:no_comma": words.no_comma,
}
