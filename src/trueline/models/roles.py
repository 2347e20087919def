"""The roles in which a run names its models, and in which an item's asking meets them.

`target` is the model that answers, evaluated or trained; `expert` writes preferred answers,
`reverse` induces prompts from texts, `judge` answers questions, and `attacker` writes what the
target is attacked with.
"""

from __future__ import annotations

from typing import Literal

Role = Literal["target", "expert", "reverse", "judge", "attacker"]
ROLES: tuple[Role, ...] = ("target", "expert", "reverse", "judge", "attacker")
