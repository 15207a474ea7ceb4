"""A deployed stack as its operator sees it: now, in a terminal, and over the last hours, in a file."""
