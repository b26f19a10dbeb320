"""Experience and service: what customers say, how they are answered, and the tickets behind it."""
