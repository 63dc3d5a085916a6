"""The board with its controls."""
