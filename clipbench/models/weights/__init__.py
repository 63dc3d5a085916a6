"""Fetching weights, and reading them safely."""
