"""Which cassette answers a request: what of it counts, its key, and the next take."""
