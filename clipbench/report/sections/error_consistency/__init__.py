"""Models that are right and wrong about the same images."""
