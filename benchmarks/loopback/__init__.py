"""Real Envoys before real Triton servers, on loopback addresses of this machine."""
