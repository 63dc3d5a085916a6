"""Two models side by side, and all pairs."""
