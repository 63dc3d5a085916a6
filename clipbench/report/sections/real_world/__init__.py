"""What benchmark accuracy hides, one line a model."""
