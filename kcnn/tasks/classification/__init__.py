"""Classification: one label per image, or several."""
