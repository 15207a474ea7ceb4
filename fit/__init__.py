"""Proof that a stack fits its cluster, before anything is changed: rows of questions, which only read."""
