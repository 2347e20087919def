"""The version that every file of records carries."""

VERSION = 1
"""The schema version written as `trueline` into JSONL rows, Parquet metadata and manifests."""
