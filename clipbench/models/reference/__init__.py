"""The reference CLIP, with the weights that come with the package."""
