"""The world behind the wire: actors, dynamics, collisions, traffic signs and lights; deterministic step by step."""
