"""The world behind the wire: actors, dynamics, collisions, traffic signs and lights, one deterministic step at a time."""
