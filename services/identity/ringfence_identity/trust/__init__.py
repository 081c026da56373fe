"""How far agents are trusted: evidence and caps, the ledger, explanations, and what people grant."""
