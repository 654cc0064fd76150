"""What people see: progress, tables, summaries. Nothing else prints."""
