"""What two or more services share, one concern a module; it knows no service."""
