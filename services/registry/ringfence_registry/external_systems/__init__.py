"""Systems outside the mesh: which there are, and whether somebody decided to trust them."""
