"""Sensors: what each one measures and the bytes in which a CARLA client expects it."""
