"""What a text wants: heads over n-grams, a frame of what is done to what, and an encoder where they are unsure."""
