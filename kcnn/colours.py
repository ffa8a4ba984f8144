"""Colours that figures of several packages share."""

INK, MUTED, LINE, BLUE, RED = "#1f2430", "#6f7580", "#d5d8de", "#2f6db3", "#c23b3b"
