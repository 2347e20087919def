from trueline.policy.preference import preference_label
from trueline.records.types import Example, LabellerId, Message, Response, with_labels
from trueline.train.data.turns import extract_completion, extract_instruction, extract_pair

BY = LabellerId("derived", "test")


def example(*answers: str, prefer: tuple[int, int] | None = None) -> Example:
    made = Example.new(
        [Message("system", "be kind"), Message("user", "is it warm?")],
        [Response((Message("assistant", text),)) for text in answers],
    )
    if prefer is None:
        return made
    return with_labels(made, preference_label(made, *prefer, BY))


def test_sft_learns_the_preferred_response_or_the_only_one() -> None:
    assert extract_completion(example("no", "yes", prefer=(1, 0))).answer[0].content == "yes"
    assert extract_completion(example("yes")).answer[0].content == "yes"
    assert (
        extract_completion(example("no", "yes", prefer=(1, 0)), index=0).answer[0].content == "no"
    )


def test_what_cannot_be_learnt_has_a_reason() -> None:
    assert (
        extract_completion(example("a", "b")) == "several responses, and no preference is labelled"
    )
    assert extract_completion(example()) == "no response"
    assert extract_completion(example(" ")) == "a blank response"
    assert extract_completion(example("a"), index=1) == "no response number 1"
    assert (
        extract_completion(Example.new([], [Response((Message("assistant", "a"),))])) == "no prompt"
    )
    assert extract_pair(example("a", "a", prefer=(0, 1))) == "chosen and rejected are the same"
    assert extract_pair(example("a", "b")) == "no preference is labelled"


def test_chosen_and_rejected_follow_the_label_and_not_the_order() -> None:
    for prefer in ((0, 1), (1, 0)):
        found = extract_pair(example("zero", "one", prefer=prefer))
        names = (found.chosen[0].content, found.rejected[0].content)
        assert names == (("zero", "one") if prefer == (0, 1) else ("one", "zero"))


def test_reverse_reads_the_response_and_learns_the_instruction() -> None:
    found = extract_instruction(example("it is warm"))
    assert found.prompt == (Message("user", "it is warm"),)
    assert found.answer == (Message("assistant", "is it warm?"),)
