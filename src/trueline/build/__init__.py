"""Recipes that make Examples, and the filters that they share."""
