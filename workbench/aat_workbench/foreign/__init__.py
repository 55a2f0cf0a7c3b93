"""Trainings that are not ours: curves read from what other tools write, live.

``tfrecords`` and ``tfevents`` are the framing and the messages of TensorBoard's event files, both ways; ``tables``
reads CSV and JSON lines; ``sources`` finds what a path holds and gives each run a reader. Nothing here imports torch,
tensorboard or a protobuf library.
"""
