"""What tools, external systems and boundaries have in common: being held, listed, watched, switched and patched."""
