"""What the simulator knows and agents do not see: the signs, lines and crossing traffic along the ego's lane."""
