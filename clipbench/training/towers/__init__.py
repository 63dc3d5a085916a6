"""What is trained: open_clip's towers of any size, and clip-tiny's own."""
