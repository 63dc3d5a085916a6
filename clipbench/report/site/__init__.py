"""The site: what its pages read, computed here, so that no script computes a statistic."""

PUBLISHED = ("open-clip", "imagenet-testbed")
"""Tables of published figures that may stand beside what was measured; the second beside shifts of ImageNet alone."""
