"""What models cost, by the date a price holds from."""
