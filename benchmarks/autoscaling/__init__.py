"""Policies of autoscaling on the same loads, in virtual time."""
