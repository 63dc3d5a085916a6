"""What a model is trained to do: a module an objective, each with its formula."""
