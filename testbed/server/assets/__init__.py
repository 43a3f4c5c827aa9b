"""Procedural assets of the embedded server: vehicles, walkers, signs, props."""
