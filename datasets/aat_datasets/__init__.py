"""Texts: readers, catalogue, preprocessing, tokenisers, batches, lexicon, built-in data."""
