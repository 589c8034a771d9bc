"""Constants between two certified numbers: intervals, branch and bound, five spikes, the reset."""
