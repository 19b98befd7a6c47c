"""Report: what came of runs, as figures, tables and a page with plots."""
