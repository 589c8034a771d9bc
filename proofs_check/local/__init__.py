"""What holds in a ball around one recording, or around one point of parameters (THEORY 2, 3, 4)."""
