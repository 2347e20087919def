"""The training methods, one file each: `Options`, and `train(options, examples=None) -> Card`.

A new file here is a new method, with its command `trueline train NAME`: nothing else to change.
"""

from __future__ import annotations

from trueline.files.plugins import Family

METHODS = Family("training method", "trueline.train.methods", "trueline.methods", ("METHOD",))
