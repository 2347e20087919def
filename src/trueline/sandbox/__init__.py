"""Code that nobody has read, run in processes of its own that can do nothing but compute.

`README.md` beside this file says what it guards against, and what it does not.

`pool` is what the program uses; it keeps a few `zygote` processes, which fork one child for each
grading.  A child runs a `grading` (a function that judges a text), or a `program` beside the
`checking` of it.  `confine` says what holds them, on `linux` and `seccomp`.  All but `pool` run
without any installed package.
"""
