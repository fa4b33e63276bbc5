"""Both ends of a pipeline: where sound comes in and where it goes out."""
