"""One file per hub; none imports another."""
