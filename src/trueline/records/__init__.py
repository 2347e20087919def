"""The one record and how it is stored: types, content ids, JSONL, Parquet, folders, formats."""
