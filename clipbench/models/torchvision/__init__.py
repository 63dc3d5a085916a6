"""Image-only models of torchvision."""
