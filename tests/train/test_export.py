from trueline.records import ids
from trueline.records.preference import preference_label
from trueline.records.types import By, Example, Message, Response, with_labels
from trueline.train.data.turns import preference, reverse, sft

BY = By("derived", "test")


def example(*answers: str, prefer: tuple[int, int] | None = None) -> Example:
    made = ids.example(
        [Message("system", "be kind"), Message("user", "is it warm?")],
        [Response((Message("assistant", text),)) for text in answers],
    )
    if prefer is None:
        return made
    return with_labels(made, preference_label(made, *prefer, BY))


def test_sft_learns_the_preferred_response_or_the_only_one() -> None:
    assert sft(example("no", "yes", prefer=(1, 0))).answer[0].content == "yes"
    assert sft(example("yes")).answer[0].content == "yes"
    assert sft(example("no", "yes", prefer=(1, 0)), index=0).answer[0].content == "no"


def test_what_cannot_be_learnt_has_a_reason() -> None:
    assert sft(example("a", "b")) == "several responses, and no preference is labelled"
    assert sft(example()) == "no response"
    assert sft(example(" ")) == "a blank response"
    assert sft(example("a"), index=1) == "no response number 1"
    assert sft(ids.example([], [Response((Message("assistant", "a"),))])) == "no prompt"
    assert preference(example("a", "a", prefer=(0, 1))) == "chosen and rejected are the same"
    assert preference(example("a", "b")) == "no preference is labelled"


def test_chosen_and_rejected_follow_the_label_and_not_the_order() -> None:
    for prefer in ((0, 1), (1, 0)):
        found = preference(example("zero", "one", prefer=prefer))
        names = (found.chosen[0].content, found.rejected[0].content)
        assert names == (("zero", "one") if prefer == (0, 1) else ("one", "zero"))


def test_reverse_reads_the_response_and_learns_the_instruction() -> None:
    found = reverse(example("it is warm"))
    assert found.prompt == (Message("user", "it is warm"),)
    assert found.answer == (Message("assistant", "is it warm?"),)
