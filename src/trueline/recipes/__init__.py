"""Recipes that make Examples, the filters that they share, and data of other tools brought in."""
