"""Who may come in, how many at once, and how long they may take to ask."""
