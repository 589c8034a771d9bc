"""Certificates: what is proved of a trained network on a recording, rounding included."""
