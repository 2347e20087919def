"""Joins the label table of a data set with its data in pandas, and shows what disagrees.

    python examples/labels_in_pandas.py FOLDER QUESTION

FOLDER is any data set that trueline wrote; QUESTION is the id of a question, such as `refusal`.
The table has a row for each statement.  This script keeps the last statement of each labeller;
for retractions, failed answers and versions of instruments, let trueline choose the labels that
count: `trueline.records.store.dataset.read(folder)` gives each Example with them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas


def read_table(folder: Path, name: str) -> pandas.DataFrame:
    """One of the tables of a data set: "data" or "labels"."""
    shards = sorted(folder.glob(f"{name}-*.parquet"))
    return pandas.concat(map(pandas.read_parquet, shards), ignore_index=True)


def answers(labels: pandas.DataFrame, question: str) -> pandas.DataFrame:
    """The last answer of each labeller, with the columns example, by_name and value."""
    asked = labels[(labels.question == question) & labels.unscored.isna() & ~labels.retracted]
    values = ["value_bool", "value_number", "value_text"]
    chosen = asked.assign(value=asked[values].astype(object).bfill(axis=1).iloc[:, 0])
    chosen = chosen.assign(about=chosen.about.map(tuple))
    last = chosen.sort_values(["sequence", "writer"]).drop_duplicates(
        ["example", "about", "by_kind", "by_name", "by_instrument"], keep="last"
    )
    return last[["example", "about", "by_name", "value"]]


def main(folder: Path, question: str) -> None:
    """Print the share of each answer by labeller, and the prompts on which labellers differ."""
    data, labels = read_table(folder, "data"), read_table(folder, "labels")
    found = answers(labels, question)
    print(found.groupby("by_name").value.value_counts(normalize=True).to_string())
    differ = found.groupby("example").value.nunique()
    prompts = data.set_index("id").prompt.map(lambda turns: turns[-1]["content"])
    print(f"\nlabellers differ on {(differ > 1).sum()} of {len(differ)} Examples:")
    for example in differ[differ > 1].index:
        print(f"  {prompts[example]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
