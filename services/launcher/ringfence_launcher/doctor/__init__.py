"""What can be wrong with a set-up, looked at one thing at a time, each with how to mend it."""
