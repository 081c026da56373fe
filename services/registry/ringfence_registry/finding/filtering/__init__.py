"""The filter language of List methods (AIP-160): text in, a typed predicate over any resource out.

`parser.parse` makes a tree of the text, `compiler.compile_filter` checks it against a table of `fields` and returns a
`Filter`. Nothing here knows which resource is filtered. Where AIP-160 leaves a choice, this is ours:

- a sequence without AND binds tighter than AND and means the same;
- a bare word matches a resource one of whose searchable texts contains it, in any case;
- `:` on one text means "contains, in any case"; on a list "has this element"; on a map "has this key"; `:*` "is set";
- `*` in a text stands for any characters, with `=`, `!=` and `:`; write `\\*` for the star itself;
- text is compared as it is, so `=` tells upper from lower case;
- an unset field matches nothing, not even `!=`; negate with NOT to include it.
"""
