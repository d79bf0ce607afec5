"""
What a miss tells: the nearest recorded request, what differs, what would make it hit.
"""
