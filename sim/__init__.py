"""The simulated world: an exchange, the way to it, and everybody else who trades there."""
