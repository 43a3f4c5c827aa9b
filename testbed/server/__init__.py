"""The embedded CARLA server."""
