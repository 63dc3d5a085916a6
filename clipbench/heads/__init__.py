"""Linear heads fitted on features."""
