"""The transfer certificate of THEORY 7: by one error per layer, by boxes, and over the slope."""
