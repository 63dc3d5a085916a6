"""Which model is better, beyond chance."""
