"""Shipped agent files: agents with other networks, and agents behind defences, each usable by its name."""
