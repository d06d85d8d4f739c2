"""The library: every sound that was scanned, what is known of it, and finding it again."""
