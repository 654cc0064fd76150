"""Bytes by digest, and the journal of the store's roots."""
