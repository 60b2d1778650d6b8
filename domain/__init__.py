"""The vocabulary that every room shares: units, instruments, events, commands, orders, limits."""
