"""Agents without a model: the oracle (upper bound of perception) and the constant answer (lower bound)."""
