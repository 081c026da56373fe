"""The people who answer for agents: registered, limited in what they answer for, and off-boarded."""
