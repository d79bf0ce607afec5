"""
Answers: played from a cassette, or carried from the upstream and recorded.
"""
