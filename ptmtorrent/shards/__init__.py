"""The only pyarrow code: rows to Parquet, and the manifest."""
