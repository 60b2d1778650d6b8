"""Worlds as files: what happens in them, what must hold, and what came out."""
