"""The pdp in several processes: workers decide on the leader's snapshot, and the leader does what needs one place."""
