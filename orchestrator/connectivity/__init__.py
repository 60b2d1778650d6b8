"""Feeds, requests in flight, routes."""
