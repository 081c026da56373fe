"""The identity service: who an agent is, who answers for it, and how far it is trusted at this moment."""
