"""The kinds of labellers, one file each: `FORM`, `HELP` and `open_labeller(rest, context)`.

`FORM` is how a labeller of the kind is named, beginning with the file's name (with `-` for `_`);
`rest` is what stands after that and a colon.  `open_labeller` is an asynchronous context manager
that yields an `Instrument`, after it has refused questions that cannot be answered.  A new file
here is a new kind, with its golden outputs: nothing else to change.
"""
