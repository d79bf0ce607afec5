"""The only asyncio: sockets, the clock, and the recipes that drive the core."""
