"""Tools that are not part of the package: they rebuild what it ships."""
