"""What a caller of one card has to expect of another: identical, compatible or breaking, with every difference."""
