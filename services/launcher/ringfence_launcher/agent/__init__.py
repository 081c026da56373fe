"""The commands of `ringfence agent`, by what they are for; `commands/agent.py` puts them together."""
