"""What is seen of a training: scores on the way, a log, and its curves."""
