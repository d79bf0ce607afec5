"""
Cassettes made of older ones: without their keys, or of what a damaged one still holds.
"""
