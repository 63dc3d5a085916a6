"""One model on everything that it was measured on."""
