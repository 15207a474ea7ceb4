"""Causes of a stack's failures, read from its cluster."""
