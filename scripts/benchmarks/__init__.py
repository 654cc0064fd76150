"""Parts of the benchmark: its worlds, the clients it runs, and what it makes of their figures."""
