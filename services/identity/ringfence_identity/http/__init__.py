"""What the outside world fetches: DID documents and resolutions, key sets, status lists."""
