"""The second reader: a sentence encoder that looks where the first reader of intent is in doubt."""
