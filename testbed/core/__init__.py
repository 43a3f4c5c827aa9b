"""Shared vocabulary: units, frames, types, records and errors. Imports numpy and pydantic only."""
