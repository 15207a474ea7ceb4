"""The acceptance check: does a stack answer a client of its experiment, and rightly? `python -m acceptance STACK`."""
