"""The desk's own chains."""
