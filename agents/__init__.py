"""What drives: perception agents, and the planner and controller they share."""
