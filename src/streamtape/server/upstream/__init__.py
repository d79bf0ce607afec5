"""The upstream leg: its requests, its answers chunk by chunk, and their encodings."""
