"""What THEORY 4 and 5 are about: objectives, steps and paths of stochastic SAST, enumerated."""
