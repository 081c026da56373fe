"""What agents may spend: counted where spans are charged, exact, and told to whoever enforces it."""
