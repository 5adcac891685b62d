"""compare -- what tests/bench/run does: clients, rounds, a table and a plot; the standard library alone."""
