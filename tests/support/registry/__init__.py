"""What the registry's tests share."""
