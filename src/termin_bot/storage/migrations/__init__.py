"""The schema, from the first to the latest."""
