"""From repositories at rest to rows; nothing here writes or uses the network."""
