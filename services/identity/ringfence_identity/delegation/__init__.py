"""Authority handed from agent to agent: grants exchanged, spent, listed and revoked."""
