"""Venues behind one port: three methods, events out."""
