"""Bring one origin, or one object, in."""
