"""Pure decisions; the time and randomness they need are parameters."""
