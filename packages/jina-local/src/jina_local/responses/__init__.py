"""Build responses from the numbers that a backend computes."""
