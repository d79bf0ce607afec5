"""
Keeping secrets out of cassettes: telling them, taking them out, looking once more.
"""
