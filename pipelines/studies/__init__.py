"""Case studies: a claim of a source, measured here. `python -m pipelines.studies NAME`."""
