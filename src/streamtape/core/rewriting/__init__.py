"""Cassettes made of older ones: without secrets, or of what a damaged one holds."""
