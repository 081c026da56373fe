"""One service in several processes: a leader, which has its data, and workers, which share its ports."""
