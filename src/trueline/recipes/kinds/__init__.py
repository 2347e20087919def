"""The recipes, one file each; see `recipes/registry.py`."""
