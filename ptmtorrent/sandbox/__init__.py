"""The hubs in a box: a small deterministic world, served on loopback."""
