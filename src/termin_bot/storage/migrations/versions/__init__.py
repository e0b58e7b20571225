"""One step of the schema per module."""
