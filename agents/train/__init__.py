"""Training of the shipped weights: one module per network, each readable from top to bottom."""
