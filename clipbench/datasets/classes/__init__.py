"""Names of classes: matching those of two sets, and ImageNet's."""
