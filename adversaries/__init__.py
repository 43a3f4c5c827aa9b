"""What attacks: artefacts, the optimisers that make them, and their cards."""
