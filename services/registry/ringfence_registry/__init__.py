"""The registry: what agents exist, who answers for them, what they may use, and their A2A Agent Cards byte for byte."""
