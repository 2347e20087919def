"""Outside formats: data of other tools as Examples, and Examples as data for other tools.

The nouns: a `Format` (`contract`) reads a row as an Example and writes an Example as rows; there is
one file for each in `kinds`, found by name through the `registry`.  `columns` is the format of any
table that a `ColumnMapping` describes; its columns of ratings become labels (`columns_ratings`).
`losses` says what a format cannot hold, by reading back what it writes.  `load` streams a source,
ours or an outside one, as Examples and Rejects; from there they go to `convert` and to every verb
that reads data.
"""
