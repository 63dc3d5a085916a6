"""The reference CLIP: a small, complete recipe."""
