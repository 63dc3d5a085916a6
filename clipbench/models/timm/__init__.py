"""Image-only models of timm."""
