"""What the records of hubs with many fields look like, one file a hub."""
