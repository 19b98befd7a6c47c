"""Drawing: plots as SVG text that a page can hold. No script, no font, no file from elsewhere."""
