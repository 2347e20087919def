"""Seeded mutants of code that moved: every mutant that the old tests kill, the new ones must kill.

    python -m tools.mutants map OLD old.map                    # once a tree; needs `coverage`
    python -m tools.mutants map NEW new.map
    python -m tools.mutants run OLD NEW --maps old.map new.map --seed 1 --count 50 --out runs.jsonl

OLD and NEW are checkouts.  `map` runs the tests of a copy once and stores which test runs which
line.  `run` mutates OLD's `src/trueline`, finds the same lines in NEW, runs the tests that cover
each (in copies, never in the checkouts), and prints a Markdown table.  It exits with 1 if NEW lets
live what OLD kills.  The same command again continues: results stand in `--out`, one a line, and
hold for the state of the tree that they were made on.

Nouns: a `Place` is text in a file, a `Mutant` is a place and what stands there instead (`edits`);
`port` finds its place in the new tree; a `Tree` is a copy that is mutated and tested (`trees`).  A
verdict is one of

  killed      a test that passes on the tree fails on the mutant, or does not end
  survived    every test of the files that have a covering test passes
  uncovered   no test runs the line
  source      the tests that fail do so as well if a comment is added to the file: they compare
              the text of the code, or fail anyway, which says nothing about behaviour
"""
