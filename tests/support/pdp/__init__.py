"""What the pdp's tests share."""
