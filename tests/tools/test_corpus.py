"""What nano may learn from: only the allowed sources, with a part held out."""

from __future__ import annotations

import inspect
import os

import pytest
from tools.nano import corpus, data


@pytest.fixture
def shared():
    if not corpus.folder().is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail("TRUELINE_SHARED_DATA does not lead to the shared data")
        pytest.skip("the shared data is not here (TRUELINE_SHARED_DATA)")


def test_training_reads_no_share_alike_source():
    training = inspect.getsource(data)
    for name in ("dolly", "enwiki", "sgd"):
        assert name not in training


def test_held_out_documents_and_pairs_are_not_in_training(shared):
    for name, chunks in corpus.documents(heldout=True).items():
        assert chunks
        assert not set(chunks) & set(corpus.documents(heldout=False)[name])


def test_sentences_keeps_whole_sentences():
    assert corpus.sentences("One two. Three four five. Six.", 5) == "One two. Three four five."
