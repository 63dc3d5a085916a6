"""The site: what its pages read, computed here, so that no script computes a statistic."""
