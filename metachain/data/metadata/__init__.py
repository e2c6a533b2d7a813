"""Metadata of demonstrations and documents: their form in JSON, and filters on them."""
