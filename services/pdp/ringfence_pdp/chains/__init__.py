"""Who stands behind a call: parties, the chain they form, what they handed on, and what was taken back."""
