"""Augmentation of whole batches, on the device of the batch.

Every draw comes from a CPU generator that the caller gives, so a batch is augmented alike on any device, and
a run that is resumed has the draws that it would have had. A rate of 0 draws nothing.
"""
