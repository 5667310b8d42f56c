"""What a run leaves behind: the per-frame table, summary, tables, measures, and their rendering."""
