"""Tasks: pure functions of stored embeddings, labels and texts."""
