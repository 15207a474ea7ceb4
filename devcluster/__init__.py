"""A real one-node Kubernetes cluster on a bare machine, for developing and testing the stacks."""
