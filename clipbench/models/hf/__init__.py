"""Models of Hugging Face's transformers library: CLIP, SigLIP, SigLIP 2 of fixed resolution, image-only encoders."""
