"""The error that ends a command because of what it was given."""

from __future__ import annotations


class InputError(Exception):
    """Wrong use or input: the message names the file, what was expected and the mend.

    The command line prints the message alone and exits with 2.
    """
