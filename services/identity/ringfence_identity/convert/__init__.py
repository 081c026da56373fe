"""Between the wire and the model: the one place where input is judged, all that is wrong at once."""
