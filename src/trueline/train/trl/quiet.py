"""Other people's progress bars and deprecations, kept off the screen while we train."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, transformers, datasets and TRL draw no bars, and warn of no future; afterwards they
    do as they did before."""
    import datasets
    from transformers.utils import logging

    bars, tables = logging.is_progress_bar_enabled(), datasets.are_progress_bars_disabled()
    tqdm = os.environ.get("TQDM_DISABLE")
    logging.disable_progress_bar()
    datasets.disable_progress_bars()
    os.environ["TQDM_DISABLE"] = "1"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        if bars:
            logging.enable_progress_bar()
        if not tables:
            datasets.enable_progress_bars()
        if tqdm is None:
            del os.environ["TQDM_DISABLE"]
        else:
            os.environ["TQDM_DISABLE"] = tqdm
