"""What people should look at in a card, beside its form."""
