"""
What events mean: their names and texts, the message they make, how fast it came.

The one place that knows a provider: the names of its events, text, usage, last word.
"""
