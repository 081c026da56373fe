"""Tests of policies, beside the policies: agents and questions in, answers out, and which rules no test would miss."""
