"""The page says all that the records hold, says it in order, and obeys nothing in them."""

from __future__ import annotations

import os
import re
from importlib import resources
from itertools import pairwise, product
from pathlib import Path

import msgspec
import pytest
from tests.agreement.test_cards import data, measured
from tests.report.made import JUDGE, SUITE, world
from tests.report.parsed import Page

from trueline.agreement.cards import UNKNOWN, find_card, format_interval
from trueline.evaluate.results import Comparison, Difference
from trueline.files.errors import InputError
from trueline.report import page
from trueline.statistics.intervals import Interval


@pytest.fixture(scope="module")
def text(comparisons: list[Comparison]) -> str:
    return page.render(comparisons, cards=())


@pytest.fixture(scope="module")
def parsed(text: str) -> Page:
    return Page(text)


def said(value: float, sign: str = "", factor: int = 100, digits: int = 1) -> str:
    """A number as a reader expects it, worked out apart from the page's own functions."""
    shown = f"{factor * value:{sign}.{digits}f}".replace("-", "−")
    zero = f"{0:.{digits}f}"
    return zero if shown.strip("+−") == zero else shown


def scale(d: Difference) -> tuple[int, int]:
    return (100, 1) if d.metric.high == 1 else (1, 3)


def test_every_number_stands_with_its_interval_coverage_and_bounds(
    comparisons: list[Comparison], parsed: Page
) -> None:
    text = parsed.text
    differences = [d for c in comparisons for d in c.differences]
    assert len(differences) > 80 and any(d.metric.high > 1 for d in differences)
    for d in differences:
        factor, digits = scale(d)
        unit = " %" if factor == 100 else ""
        for side in (d.base, d.treated):
            low, high = (said(v, "", factor, digits) for v in (side.low, side.high))
            assert f"{said(side.estimate, '', factor, digits)}{unit} ( {low} to {high}" in text
        gain = said(d.gain.estimate, "+", factor, digits) + (" points" if factor == 100 else "")
        low, high = (said(v, "+", factor, digits) for v in (d.gain.low, d.gain.high))
        assert f"{gain} ( {low} to {high}" in text
        least, most = (said(v, "+", factor, digits) for v in (d.least, d.most))
        covered = " / ".join(f"{100 * share:.1f} %" for share in d.coverage)
        assert f"{least} to {most} {d.paired} of {d.items} {covered}" in text
    for one in (m for c in comparisons for r in (c.base, c.treated) for m in r.metrics):
        assert f"{one.scored} of {one.items}" in text
        assert all(f"{why} ({count})" in text for why, count in one.unscored.items())


def test_models_costs_versions_licences_and_what_is_missing(
    comparisons: list[Comparison], parsed: Page
) -> None:
    text = parsed.text
    for results in (comparisons[0].base, *(c.treated for c in comparisons)):
        for value in (results.model, results.identity, results.started, results.finished):
            assert value in text
        for name, version in results.versions.items():
            assert f"{name} {version}" in text
        for spend in results.spend:
            assert f"{spend.prompt_tokens:,} {spend.completion_tokens:,} {spend.money:,.4f}" in text
    assert all(kind.license in text for kind in SUITE)
    assert "its data are not here" in text and "only one of the models was asked it" in text
    assert "not completely" in text and "ended early" in text


def test_a_page_is_replaced_and_no_other_file_is(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    results.write_text("{}")
    with pytest.raises(InputError, match="is no page"):
        page.write([], results)
    assert results.read_text() == "{}"
    os.mkfifo(tmp_path / "pipe")
    for other in (tmp_path / "pipe", tmp_path):
        with pytest.raises(InputError, match="is no page"):
            page.write([], other)
    assert (tmp_path / "pipe").is_fifo()
    path, link = tmp_path / "page.html", tmp_path / "link.html"
    path.touch()
    link.symlink_to(path)
    for one in (path, path, link):
        page.write([], one)
    assert path.read_bytes().startswith(page.START) and link.is_symlink()


def test_rows_that_are_no_items_are_missing(comparisons: list[Comparison]) -> None:
    first = comparisons[0]
    torn = msgspec.structs.replace(first.base.benchmarks[0], invalid_rows=1203)
    base = msgspec.structs.replace(first.base, benchmarks=[torn, *first.base.benchmarks[1:]])
    text = Page(page.render([msgspec.structs.replace(first, base=base)], cards=())).text
    assert (
        f"{torn.name}: 1,203 rows" in text
        and "1,203 rows" not in Page(page.render([first], cards=())).text
    )


def test_agreement_cards_or_that_there_is_none(
    comparisons: list[Comparison], parsed: Page, tmp_path: Path
) -> None:
    assert f"On helpfulness , safe : {UNKNOWN}" in parsed.text
    assert f"On refusal : {UNKNOWN}" in parsed.text
    measured(data(tmp_path / "rated.jsonl", fails=1), tmp_path / "cards")
    text = Page(page.render(comparisons, cards=[tmp_path / "cards"])).text
    card = find_card(JUDGE.instrument, [tmp_path / "cards"])
    assert card is not None and card.entries[0].alpha is not None
    [one] = card.entries
    assert (
        f"safe person Ada and person Ben {format_interval(one.alpha)} "
        f"{one.raw_agreement:.1%}".replace("%", " %")
        in text.replace(" ( ", " (")
    )
    assert "80 items of rated.jsonl , answered 158 of 160" in text
    assert f"On helpfulness : {UNKNOWN}" in text


def test_the_headline_says_what_is_withheld(comparisons: list[Comparison]) -> None:
    full = Page(page.render(comparisons[:1])).text
    start = full[full.index("In short") : full.index("What was compared Base")]
    assert comparisons[0].headline in start
    assert "Withheld, so that they count neither way: a-hard-day ( coverage" in start
    held = [msgspec.structs.replace(d, withheld=None) for d in comparisons[0].differences]
    all_count = msgspec.structs.replace(comparisons[0], differences=held)
    assert "Nothing is withheld." in Page(page.render([all_count])).text


def test_significance_is_written_and_drawn_not_coloured(
    comparisons: list[Comparison], parsed: Page
) -> None:
    primary = [(c.level, d) for c in comparisons for d in c.differences if d.primary]
    better = sum(
        d.withheld is None and d.q <= level and d.gain.estimate > 0 for level, d in primary
    )
    titles = [text for tag, text in parsed.texts if tag == "title"]
    assert better and sum(title.endswith(": better") for title in titles) >= better
    assert any(title.endswith(": withheld") for title in titles)
    drawings = [given for tag, given in parsed.elements if tag == "svg"]
    for given in drawings:
        assert given.get("role") == "img" or given.get("aria-hidden") == "true"
        assert given["viewbox"]
    named = sum(given.get("role") == "img" for given in drawings)
    assert len(titles) == 1 + named == 1 + sum(tag == "desc" for tag, _ in parsed.elements)


def test_a_worsening_is_named(comparisons: list[Comparison]) -> None:
    one = comparisons[0]
    worse = [
        msgspec.structs.replace(d, gain=Interval(-0.2, -0.3, -0.1, 40), q=0.001)
        if d.primary and d.withheld is None
        else d
        for d in one.differences
    ]
    titles = [
        text
        for tag, text in Page(page.render([msgspec.structs.replace(one, differences=worse)])).texts
        if tag == "title"
    ]
    assert sum(title.endswith(": worse") for title in titles) >= one.counted


def test_an_interval_that_does_not_exist_is_said(comparisons: list[Comparison]) -> None:
    one = comparisons[0]
    bare = Interval(0.0, None, None, 40, note="the same in every resample: no spread")
    found = [msgspec.structs.replace(d, gain=bare, p=None, q=None) for d in one.differences]
    text = Page(page.render([msgspec.structs.replace(one, differences=found)])).text
    assert "no interval: the same in every resample: no spread" in text
    assert "not tested" in text and "nan" not in text.split()


def test_nothing_to_compare(comparisons: list[Comparison]) -> None:
    none = Page(page.render([]))
    assert none.headings[0] == (1, "Nothing was compared")
    assert "No comparison was given" in none.text
    empty = msgspec.structs.replace(
        comparisons[0],
        differences=[],
        group_means={},
        not_compared={"sums": "asked in another way"},
    )
    text = Page(page.render([empty])).text
    assert "No primary measure was compared" in text and "asked in another way" in text
    assert "The plane is not drawn" in text


def test_the_same_records_give_the_same_bytes(
    comparisons: list[Comparison], tmp_path: Path
) -> None:
    page.write(comparisons, tmp_path / "a.html", cards=())
    page.write(comparisons, tmp_path / "b.html", cards=())
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    with pytest.raises(InputError, match=r"cannot write .*nowhere"):
        page.write(comparisons, tmp_path / "nowhere" / "a.html")


def test_the_document_is_well_formed(parsed: Page) -> None:
    levels = [level for level, _ in parsed.headings]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(parsed.ids()) == len(set(parsed.ids()))
    tags = [tag for tag, _ in parsed.elements]
    assert tags.count("table") == tags.count("caption") > 20
    assert all(given.get("scope") for tag, given in parsed.elements if tag == "th")
    assert dict(parsed.elements)["html"] == {"lang": "en"}
    links = [given["href"] for tag, given in parsed.elements if tag == "a"]
    assert links[0] == "#main" and {str(link)[1:] for link in links} <= set(parsed.ids())
    assert [text for level, text in parsed.headings if level == 2] == list(page.SECTIONS.values())


def test_nothing_is_fetched_or_run(text: str, parsed: Page) -> None:
    policy = next(g for _, g in parsed.elements if g.get("http-equiv"))
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"
    forbidden = {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
        "use",
        "image",
    }
    assert not forbidden & {tag for tag, _ in parsed.elements}
    for _, given in parsed.elements:
        assert not [name for name in given if name.startswith("on") or name in ("src", "srcset")]
    style = "".join(text for tag, text in parsed.texts if tag == "style")
    assert "url(" not in style and "@import" not in style and "http" not in style
    assert "http" not in page.render([]).replace('<meta http-equiv="', "")
    assert "src=" not in text


HOSTILE = (
    "</style></title></div><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;"
    "\u202eright to left\u2066\u0007\u001b[31m\u2028\u200b\ufeff{{ 7 * 7 }}"
)


def hostile(comparison: Comparison) -> Comparison:
    """The comparison with hostile text wherever records hold text from outside."""

    kept = {"group", "better", "by", "benchmark", "base_folder", "treated_folder"}
    kinds = {"share", "mean", "judge", "grader", "classifier"}  # of rules and labellers: no texts
    by_name = {"versions", "left_out", "unscored", "not_compared", "measures", "config", "failures"}

    def spoil(value: object, name: str = "") -> object:
        if isinstance(value, str):
            return value if name in kept or value in kinds else f"{value}{HOSTILE}"
        if isinstance(value, (list, tuple)):
            return [spoil(one, name) for one in value]
        if isinstance(value, dict):
            end = HOSTILE if name in by_name else ""
            return {f"{k}{end}": spoil(v, "" if end else k) for k, v in value.items()}
        return value

    return msgspec.convert(spoil(msgspec.to_builtins(comparison)), Comparison)


def test_hostile_texts_stand_there_as_text(tmp_path: Path) -> None:
    [one] = world(tmp_path, treated=1, kinds=SUITE[:4], count=12, say=HOSTILE)
    spoilt = hostile(one)
    assert HOSTILE in spoilt.headline and HOSTILE in spoilt.base.model
    plain, shown = Page(page.render([one])), Page(page.render([spoilt]))
    for found in (plain, shown):
        assert not {"script", "img"} & {tag for tag, _ in found.elements}
        assert not any(name.startswith("on") for _, given in found.elements for name in given)
    assert "<script>alert(1)</script>" in shown.text and "{{ 7 * 7 }}" in shown.text
    raw = page.render([spoilt]) + page.render([one])
    assert not set(raw) & set("\u202e\u2066\u0007\u001b\u2028\u200b\ufeff")
    assert "\\u202e" in raw and "\\x1b" in raw and "49" not in re.findall(r"\{\{.{9}", raw)
    opened = [text for tag, text in plain.texts if tag == "div" and "Request 0" in text]
    assert opened and "alert(1)" in "".join(text for _, text in plain.texts)


def test_a_page_of_sixty_benchmarks_is_bounded(tmp_path: Path) -> None:
    long = "a word, and another; " * 400
    kinds = [
        kind._replace(name=f"{kind.name}-{n}", by=kind.by[:1])
        for n, kind in product(range(3), SUITE[:20])
    ]
    found = world(tmp_path, kinds=kinds, count=12, say=long)
    text = page.render(found)
    shown = Page(text)
    opened = [given for tag, given in shown.elements if given.get("class") == "item"]
    assert 100 < len(opened) <= page.examples.MOST
    assert "more were left out for that" in shown.text
    assert "the first 1,200 of 8," in shown.text
    assert len(text.encode()) < 2_000_000
    assert max(len(text) for tag, text in shown.texts if tag == "div") <= page.examples.TEXT


# ---- colours ---------------------------------------------------------------------------------

READ = [
    ("ink", "paper"),
    ("ink", "wash"),
    ("soft", "paper"),
    ("soft", "wash"),
    ("accent", "paper"),
    ("accent", "wash"),
    ("accent", "tint"),
    ("on-accent", "accent"),
]
SEEN = [("mark", "paper"), ("mark", "wash"), ("accent", "paper"), ("ink", "paper")]


def palettes() -> list[dict[str, str]]:
    css = resources.files("trueline.report").joinpath("page.css").read_text()
    light = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", css[: css.index("@media")]))
    others = re.findall(r"@media ([^{]+)\{\s*:root \{([^}]+)\}", css)
    assert len(others) == 2  # dark, and print
    return [
        light,
        *(light | dict(re.findall(r"--([\w-]+): (#\w{6});", body)) for _, body in others),
    ]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_meets_wcag_aa() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for colours in palettes():
        for text, ground in READ:
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground, colours)
        for mark, ground in SEEN:
            assert contrast(colours[mark], colours[ground]) >= 3, (mark, ground, colours)


def test_text_has_no_colour_of_its_own() -> None:
    css = resources.files("trueline.report").joinpath("page.css").read_text()
    rules = re.sub(r"--[\w-]+: #\w{6};", "", css)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|rgb|hsl|opacity", rules)
