"""Corruption error."""
