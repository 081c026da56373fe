"""The `ringfence` command: runs the four services, and speaks to them as any client does."""
