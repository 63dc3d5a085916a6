"""Batches to train on: images of data sets with captions, and clip-tiny's drawn scenes."""
