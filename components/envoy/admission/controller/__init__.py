"""The admission controller: decides once a second how much work the Envoy beside it admits, and which pool gets it.

A pod runs this package as it is, so it imports the standard library and its own modules only. It sets runtime keys of
Envoy, and Envoy decides by these alone: no request waits for this program. `limits`, `shares` and `spill` hold its
policy as tables.
"""
