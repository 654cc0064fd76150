"""Checks everything under a root, and names what is not as it should be."""
