"""Benchmarks of the package: every TOML file beside this one."""
