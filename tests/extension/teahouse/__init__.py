"""Somebody else's package: one plug-in of each family, found through its entry points."""
