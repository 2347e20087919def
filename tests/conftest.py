"""Fixtures that the whole suite shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real public data; absent, a test skips, but in CI it fails."""
    folder = Path(os.environ.get("TRUELINE_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        reason = "no shared data: set TRUELINE_SHARED_DATA to the folder that holds it"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
