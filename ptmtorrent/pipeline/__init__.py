"""The passes: list, fetch, build. Each reads only what an earlier one committed."""
