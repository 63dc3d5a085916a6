"""What labels add to zero-shot: probes and few-shot."""
