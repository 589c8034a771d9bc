"""Why is a network beyond dense LIF layers wrong? A table of faults, each of which can be run."""
