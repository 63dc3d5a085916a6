"""One step of a training: the gradients of a batch, and the weights that follow from them."""
