"""Embedding: each image and each text once per model, into a store."""
