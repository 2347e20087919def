"""What `tools/house.py` counts, one measure a file; `source` has the modules that they read."""
