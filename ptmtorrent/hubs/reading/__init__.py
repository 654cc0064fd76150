"""Reading what hubs and people write: untrusted text to values. Pure, bounded, nothing is run."""
