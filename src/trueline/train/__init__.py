"""Examples in, a trained model folder out: sft, reverse and preference, thin over TRL's trainers.

`trueline.train.methods` has one file a method, each with its `Options` and `train(options)`.
"""
