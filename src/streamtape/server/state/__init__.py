"""
What a running server keeps: scopes, what became of their requests, recordings.
"""
