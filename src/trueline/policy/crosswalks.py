"""Other people's categories, crossed over to the policy's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from trueline.files.errors import InputError
from trueline.policy.types import Policy, fold_spelling


class MappedCategories(NamedTuple):
    """What came of crossing over.

    `values` are our categories, in the policy's order.  `either` names the source categories that
    stand for several of ours, of which at least one holds and not always all: what is in `values`
    because of them is an upper bound.  `lost` gives, for each source category without a
    counterpart, the reason.
    """

    values: tuple[str, ...]
    either: dict[str, tuple[str, ...]]
    lost: dict[str, str]


def map_categories(name: str, values: Iterable[str], policy: Policy) -> MappedCategories:
    """Source categories in terms of the policy's.

    Raises InputError if the policy does not know the crosswalk or a source category.
    """
    if name not in policy.crosswalks:
        known = ", ".join(policy.crosswalks)
        raise InputError(f"the policy has no crosswalk {name!r}, but {known}")
    walk = policy.crosswalks[name]
    spellings = walk.spellings
    mapped: dict[str, tuple[str, ...]] = {}
    lost: dict[str, str] = {}
    for value in values:
        key = spellings.get(fold_spelling(value))
        if key is None:
            raise InputError(
                f"crosswalk {name!r} knows no category {value!r}: add it to a policy of your own"
            )
        if key in walk.to:
            mapped[key] = walk.to[key]
        else:
            lost[key] = walk.none[key]
    ours = {category for several in mapped.values() for category in several}
    return MappedCategories(
        tuple(category for category in policy.categories if category in ours),
        {key: several for key, several in mapped.items() if len(several) > 1},
        lost,
    )
