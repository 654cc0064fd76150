"""The only DuckDB code: answers from exactly the shards a manifest lists."""
