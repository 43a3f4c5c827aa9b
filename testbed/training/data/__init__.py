"""Labelled images made by the simulator: signs, lane views and vehicle views with their ground truth."""
