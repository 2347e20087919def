"""What the rules let pass and what they do not."""

from __future__ import annotations

import pytest

from trueline.recipes.filters.instruction_rules import find_objection

TEXT = "The cat sat on the mat and looked at the rain for a long quiet hour."


@pytest.mark.parametrize(
    "instruction",
    [
        "Write a short story about a cat.",
        "What is this for?",
        "Where is he from?",
        "How do I turn it on?",
        "make this into a meme",
        "Écris une lettre à ma grand-mère.",
        "请写一首关于猫的诗",
        "List three things: a cat, a mat, a hat.",
        "Explain HTML, CSS and XML to me!",
        "What did the cat sit on?",
        "Did the cat sat on the mat look at the dog?",
        "What is 10000000 divided by three??????",
        "What does the LGBTQ flag mean on a QWERTY keyboard?",
        "No more than three lines, please: write about a cat.",
        "Thank you letter to my teacher",
        "I can't sleep. What should I do?",
        "Here is my list: milk, bread. What is missing?",
        "Why does this function return null",
    ],
)
def test_instructions_pass(instruction: str) -> None:
    assert find_objection(instruction, TEXT) is None


@pytest.mark.parametrize(
    ("instruction", "reason"),
    [
        ("", "empty"),
        ("  ?!  ", "empty"),
        ("Cat story", "too short"),
        ("word " * 300, "too long"),
        ("### Instruction: write a story", "template"),
        ("Write to {name} about the cat", "template"),
        ("Write a story\x00 about a cat", "control"),
        ("Write a � about the cat", "control"),
        ("xkcd qwrt zzzpt bnmk write", "gibberish"),
        ("$$ %% && ## @@ !! write it now", "gibberish"),
        ("aaaaaaaaaa write a story", "gibberish"),
        ("a b c d e f g h", "gibberish"),
        ("asdf jkl qwer uiop zxcv", "gibberish"),
        ("write write write a story", "repetition"),
        ("Tell me about the cat and the", "cut off"),
        ("Write a story about a cat,", "cut off"),
        ("Write a letter to", "cut off"),
        ("Sure, here is a story about a cat.", "an answer"),
        ("I'm sorry, but I cannot help with that.", "an answer"),
        ("I can't help with that request.", "an answer"),
        (TEXT, "a copy"),
        ("The cat sat on the mat.", "a copy"),
        ("Write: " + TEXT, "a copy"),
    ],
)
def test_what_is_no_instruction_is_named(instruction: str, reason: str) -> None:
    assert str(find_objection(instruction, TEXT)).startswith(reason)
