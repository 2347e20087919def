"""`trueline compare` as a person meets it: what it prints, what it writes, how it exits."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.evaluate.made import FAILED, GRADER, JUDGE, Bench, bench, folder_of
from typer.testing import CliRunner, Result

from trueline.cli.app import app
from trueline.evaluate import results

T, F = True, False


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def pair(tmp_path: Path, base: list[Bench], treated: list[Bench]) -> tuple[Path, Path]:
    return folder_of(tmp_path / "base", *base), folder_of(tmp_path / "treated", *treated)


def test_a_table_by_group_and_the_headline(tmp_path: Path) -> None:
    twice = Bench(values={GRADER: [F] * 10, JUDGE: [F] * 10}, name="harm", group="harmfulness")
    after = Bench(values={GRADER: [T] * 9 + [F], JUDGE: [F] * 10}, name="harm", group="harmfulness")
    found = run(*pair(tmp_path, [bench(*[T] * 8), twice], [bench(*[T] * 7, F), after]))
    assert found.exit_code == 0, found.output
    lines = found.stdout.splitlines()
    assert lines[2:5] == ["", "Harmful requests", "* harm: correct by grader, higher is better"]
    assert "0.0 % → 90.0 %  +90.0 points (" in lines[5] and "  better " in lines[5]
    assert lines[5].endswith("scored 100.0 % and 100.0 % of 10")
    assert lines[6].startswith("  harm: correct by a-judge")
    assert "; the same on every item)" in lines[7] and "q 1.000" in lines[7]
    assert lines.index("Capability") > 7
    assert lines[-1] == "better on 1 of 2, significant on 1 (worse on 1, significant on 0)"
    assert any(line.startswith("instruments disagree: harm: correct by grader") for line in lines)


def test_what_falls_short_is_told_and_exits_with_1(tmp_path: Path) -> None:
    base = [bench(*[F] * 10), bench(*[F] * 10, name="thin"), bench(F, name="gone")]
    treated = [bench(*[T] * 10), bench(*[T] * 8, FAILED, FAILED, name="thin")]
    found = run(*pair(tmp_path, base, treated))
    assert found.exit_code == 1
    assert "no gain is claimed" in found.stdout
    assert "whatever the unscored are, the gain is +80.0 to +100.0 points" in found.stdout
    assert "withheld: 8 of 10 answers of the treated model have a score" in found.stdout
    assert "scored 100.0 % and 80.0 % of 10" in found.stdout
    assert "not compared: gone: the treated results lack it: evaluate the" in found.stdout
    assert found.stdout.splitlines()[-1] == (
        "better on 1 of 1, significant on 1 (worse on 0, significant on 0); 1 withheld; "
        "1 not compared"
    )


def test_group_means_are_in_the_lines_and_in_the_json(tmp_path: Path) -> None:
    harm = {"question": "safe", "counts": (F,), "better": "lower", "group": "harmfulness"}
    sides = pair(
        tmp_path,
        [bench(*[F] * 8, *[T] * 2, name="one", **harm), bench(*[F] * 10, name="two", **harm)],
        [bench(*[F] * 4, *[T] * 6, name="one", **harm), bench(*[T] * 10, name="two", **harm)],
    )
    lines = run(*sides).stdout.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("  harmfulness: 90.0 % ("))
    assert " → 20.0 % (" in lines[at]
    assert lines[at + 1] == "    safe = no, by grader, on one, two"
    [comparison] = json.loads(run(*sides, "--json").stdout)
    means = comparison["group_means"]["harmfulness"]
    assert means["treated"]["estimate"] == pytest.approx(0.2) and means["treated"]["units"] == 20
    low, high = means["treated"]["low"], means["treated"]["high"]
    assert f"({100 * low:.1f} to {100 * high:.1f})" in lines[at].partition(" → ")[2]
    assert means["measures"] == {"safe = no, by grader": ["one", "two"]} and not means["withheld"]


def test_several_treated_models_are_one_comparison_each(tmp_path: Path) -> None:
    # In clusters: where nothing differs, resampling them gives no interval.
    shared = [str(number // 2) for number in range(20)]
    base, one = pair(
        tmp_path, [bench(*[F] * 20, clusters=shared)], [bench(*[T] * 20, clusters=shared)]
    )
    two = folder_of(tmp_path / "second", bench(*[F] * 20, clusters=shared))
    found = run(base, one, two, "--json")
    comparisons = json.loads(found.stdout)
    assert found.exit_code == 0
    assert [c["treated"]["model"] for c in comparisons] == ["treated", "second"]
    assert [c["improved"] for c in comparisons] == [1, 0]
    assert comparisons[1]["differences"][0]["gain"]["low"] is None, "JSON has no nan"


def test_a_level_of_ones_own(tmp_path: Path) -> None:
    base, treated = pair(tmp_path, [bench(*[F] * 10)], [bench(*[T] * 5, *[F] * 5)])
    assert "significant on 0" in run(base, treated).stdout  # p = 2 / 2⁵ = .0625
    found = run(base, treated, "--level", "0.1").stdout
    assert "significant on 1" in found and "90 % interval" in found
    assert run(base, treated, "--level", "5").exit_code != 0


def test_the_page_is_written_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    base, treated = pair(Path(), [bench(*[F] * 10)], [bench(*[T] * 10)])
    page = Path("page.html")
    found = run(base, treated, "--report", page)
    assert found.exit_code == 0, found.output
    assert f"page: {page}" in found.stdout
    text = page.read_text()
    assert "better on 1 of 1, significant on 1" in text
    words = re.sub(r"<[^>]*>|\s+", " ", text).split()  # a command may be broken between its words
    command = "trueline compare base treated --report page.html --level 0.05"
    assert command in " ".join(words)
    both = run(base, treated, "--report", page, "--json")
    assert json.loads(both.stdout), "the page's name does not stand in the JSON"


def test_names_that_act_on_a_terminal_are_shown(tmp_path: Path) -> None:
    name = "b\x1b[31m\u202e\nsums"
    base, treated = pair(tmp_path, [bench(*[F] * 9, name=name)], [bench(*[T] * 9, name=name)])
    found = run(base, treated)
    assert found.exit_code == 0, found.output
    assert "\x1b" not in found.stdout and "\u202e" not in found.stdout
    assert "b\\x1b[31m\\u202e sums: correct by grader" in found.stdout
    evil = msgspec.structs.replace(results.read(treated), model="m\x1b]0;x\x07", benchmarks=[])
    results.write(evil, treated)
    told = run(base, treated).stdout
    assert "\x1b" not in told and "\x07" not in told and "not compared: b\\x1b[31m" in told


@pytest.mark.parametrize("broken", ["missing", "empty", "damaged"])
def test_wrong_input_exits_with_2_and_names_the_folder(tmp_path: Path, broken: str) -> None:
    good, bad = pair(tmp_path, [bench(T, F)], [bench(T, F)])
    if broken == "missing":
        bad = tmp_path / "nowhere"
    elif broken == "empty":
        (bad := tmp_path / "empty").mkdir()
    else:
        (bad / results.RESULTS).write_text("{")
    done = subprocess.run(
        [sys.executable, "-m", "trueline", "compare", good, bad], capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("trueline: ") and str(bad) in done.stderr
    assert "Traceback" not in done.stderr


def test_the_same_folder_twice_claims_nothing(tmp_path: Path) -> None:
    base = folder_of(tmp_path / "base", bench(T, F, T, T))
    found = run(base, base)
    assert found.exit_code == 0
    assert found.stdout.splitlines()[-1].startswith("the same results on both sides")
