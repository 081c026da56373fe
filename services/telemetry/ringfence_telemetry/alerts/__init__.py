"""What somebody should look at: rows first, a stream of what happens to them second."""
