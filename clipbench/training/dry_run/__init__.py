"""What a training will take, before it is begun: some steps are measured, the rest is computed."""
