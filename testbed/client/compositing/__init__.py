"""Artefacts drawn over a camera's picture where a server cannot show them in its world. Knows no carla."""
