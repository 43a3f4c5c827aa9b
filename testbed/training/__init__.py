"""How shipped weights are made: data sets that the simulator labels, and the training of every network on them."""
