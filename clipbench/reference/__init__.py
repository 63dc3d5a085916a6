"""Published figures and their reader."""
