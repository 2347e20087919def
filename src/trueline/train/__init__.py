"""Examples in, a trained model folder out.

`run.train(sft.METHOD, sft.Options(data=…, out=…))` trains by a method of `methods`, one file each.
A method gives an Example's `TrainingRow` (data/rows) and builds a TRL trainer; the rest is common.
"""
