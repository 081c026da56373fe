"""Where bundles come from by themselves: a watched folder, a git repository."""
