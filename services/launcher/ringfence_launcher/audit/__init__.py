"""The decision log as an outsider checks it: proofs, exports, and what was tampered with."""
