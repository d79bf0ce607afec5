"""
Reading streams: where an event ends, what it says, and whether it is what an API sends.

The one place that knows a provider: the names of its events, text, usage, last word.
"""
