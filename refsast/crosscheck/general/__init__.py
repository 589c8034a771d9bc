"""The check of networks beyond dense LIF layers: one tape for the right answer and every fault."""
