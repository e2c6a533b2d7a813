"""Chains of the coding desk."""
