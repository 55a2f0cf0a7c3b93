"""The mathematics: encoders, decoders, adversaries, training loop, attacks, attribution, generation."""
