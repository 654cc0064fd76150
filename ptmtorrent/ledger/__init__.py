"""The frontier and history of work; the only SQLite code."""
