"""Ground truth: what the simulator knows and agents do not see of the ego, its lane, signs, lines and traffic."""
