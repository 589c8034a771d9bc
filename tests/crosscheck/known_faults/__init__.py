"""Known faults: functions that exchange some rules of a variant for wrong ones."""
