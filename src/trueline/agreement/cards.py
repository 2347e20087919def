"""Agreement cards: how far an instrument agreed with others, as far as that was measured.

A card belongs to one instrument hash: whatever could change an answer makes another instrument,
which has no card until it is measured too.  Cards are JSON files, in a folder of the user's or,
for instruments that come with trueline, in the package; they hold numbers and no text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path

import msgspec
from msgspec import Struct

from trueline.agreement.agreement import Agreement, Calibration, Confusion, QuestionReport
from trueline.agreement.answers import AnswerTable, full_names, short_names
from trueline.files.atomic import atomic_write, os_errors_as_input_errors
from trueline.files.errors import InputError
from trueline.files.hashing import text_digest
from trueline.files.versions import check_version
from trueline.records.types import LabellerId
from trueline.runs.record import now, versions
from trueline.statistics.intervals import Interval

FOLDER = Path(".trueline/cards")
"""Where cards are written and looked up unless a folder is named."""

SHIPPED = "agreement/cards_shipped"
UNKNOWN = "no agreement card for this instrument: its error is not known"
VERSION = 1
_plain = re.compile(r"[0-9a-f]{16,64}")


class Data(Struct, frozen=True):
    """On what it was measured: the name and digest of the file or folder, the sources and the
    licences of its Examples."""

    name: str
    digest: str
    datasets: tuple[str, ...]
    licences: tuple[str, ...]


class Part(Struct, frozen=True):
    """One group of the items: a language, say."""

    items: int
    alpha: Interval
    raw_agreement: float | None


class CardEntry(Struct, frozen=True):
    """The agreement of an instrument with others, on one question and one data set; see
    `agreement.Agreement`.  `against` is written "kind name"; `wordings` says who was asked in
    which words, if they differ."""

    question: str
    kind: str
    metric: str
    against: tuple[str, ...]
    data: Data
    items: int
    asked: int
    scored: int
    alpha: Interval | None
    raw_agreement: float | None
    kappa: float | None
    least: float | None
    most: float | None
    confusion: Confusion | None
    calibration: Calibration | None
    groups: dict[str, Part]
    wordings: dict[str, list[str]]
    versions: dict[str, str]
    time: str


class Card(Struct, frozen=True):
    """All that was measured of one instrument."""

    trueline: int
    instrument: str
    kind: str
    name: str
    entries: tuple[CardEntry, ...] = ()


# ---- making -------------------------------------------------------------------------------------


def build_cards(table: AnswerTable, reports: Sequence[QuestionReport], data: Data) -> list[Card]:
    """The cards of those instruments that were compared with others, by the widest comparison of
    each.  People have none."""
    labellers = {name: by for by, name in short_names(table.labellers).items()}
    full = full_names(table.labellers)
    cards: dict[str, Card] = {}
    for report in reports:
        best: dict[str, Agreement] = {}
        for one in report.agreements:
            if not one.joint and len(one.first) == 1:
                earlier = best.get(one.first[0])
                if earlier is None or len(one.second) > len(earlier.second):
                    best[one.first[0]] = one
        for name, one in best.items():
            by = labellers[name]
            if by.instrument is not None:
                against = tuple(full[labellers[n]] for n in one.second)
                card = cards.get(by.instrument) or _empty(by)
                entry = _entry(report, one, against, data)
                cards[by.instrument] = merge_cards([card], entry)
    return list(cards.values())


def _empty(by: LabellerId) -> Card:
    return Card(VERSION, by.instrument or "", by.kind, by.name)


def _entry(
    report: QuestionReport, one: Agreement, against: tuple[str, ...], data: Data
) -> CardEntry:
    groups = {
        name: Part(part.items, part.alpha, part.raw_agreement)
        for name, part in one.groups.items()
        if part.alpha is not None  # of few items there is none
    }
    return CardEntry(
        question=report.question,
        kind=report.kind,
        metric=report.metric,
        against=against,
        data=data,
        items=one.items,
        asked=one.asked,
        scored=one.scored,
        alpha=one.alpha,
        raw_agreement=one.raw_agreement,
        kappa=one.kappa,
        least=one.least,
        most=one.most,
        confusion=one.confusion,
        calibration=one.calibration.get(one.first[0]),
        groups=groups,
        wordings=report.wordings,
        versions=versions(),
        time=now(),
    )


def merge_cards(cards: Sequence[Card], *further: CardEntry) -> Card:
    """One card of several of one instrument; what was measured again takes the place of what was
    measured before."""
    every = [one for card in cards for one in card.entries]
    latest = {(m.question, m.against, m.data.digest): m for m in (*every, *further)}
    return msgspec.structs.replace(cards[0], entries=tuple(latest.values()))


def describe_data(table: AnswerTable, path: Path, labels: Iterable[Path] = ()) -> Data:
    """What the card says of the data; its digest covers the labels that were joined to it."""
    hasher = hashlib.blake2b(digest_size=16)
    for one in (path, *labels):
        with os_errors_as_input_errors(one):
            hasher.update((one / "manifest.json" if one.is_dir() else one).read_bytes())
    return Data(path.name, hasher.hexdigest(), tuple(table.datasets), tuple(table.licences))


# ---- keeping ------------------------------------------------------------------------------------


def write_card(card: Card, folder: Path = FOLDER) -> Path:
    """Store a card, with what the folder holds of this instrument already; its path."""
    path = folder / _file(card.instrument)
    if path.is_file():
        card = merge_cards([_read(path.read_bytes(), path), card])
    with os_errors_as_input_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")
    return path


def find_card(instrument: str | None, folders: Sequence[Path] = (FOLDER,)) -> Card | None:
    """The card of this instrument, joined from those that the folders and the package have; None
    if nobody measured it.  Raises InputError for a file that is no card."""
    if instrument is None:
        return None
    name = _file(instrument)
    cards = [_read(p.read_bytes(), p) for p in (f / name for f in folders) if p.is_file()]
    shipped = resources.files("trueline").joinpath(SHIPPED).joinpath(name)
    if shipped.is_file():
        cards.insert(0, _read(shipped.read_bytes(), Path(name)))
    cards = [card for card in cards if card.instrument == instrument]
    return merge_cards(cards) if cards else None


def _file(instrument: str) -> str:
    """Foreign labels may carry anything for a hash: no path is made of it as it is."""
    safe = _plain.fullmatch(instrument) is not None
    return f"{instrument if safe else text_digest(instrument)}.json"


def _read(raw: bytes, path: Path) -> Card:
    try:
        card = msgspec.json.decode(raw, type=Card)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InputError(
            f"{path} is no agreement card ({error}): remove it, or make it again with "
            "`trueline agree --card`"
        ) from None
    check_version(path, card.trueline, VERSION, "card")
    return card


# ---- reading ------------------------------------------------------------------------------------


def format_card(card: Card | None, questions: Iterable[str] | None = None) -> list[str]:
    """The card for a person, of these questions or of all; what is not known is said."""
    if card is None:
        return [UNKNOWN]
    wanted = {m.question for m in card.entries} if questions is None else set(questions)
    every = [m for m in card.entries if m.question in wanted]
    if not every:
        return [f"{UNKNOWN} on these questions"]
    head = f"agreement card of {card.kind} {card.name} ({card.instrument[:8]}):"
    return [head, *(f"  {line}" for one in every for line in _format_entry(one))]


def _format_entry(one: CardEntry) -> Iterator[str]:
    figure = f"α {format_interval(one.alpha)}" if one.alpha else "no figure: too few answers"
    raw = f", agreed {one.raw_agreement:.1%}" if one.raw_agreement is not None else ""
    yield f"{one.question}, against {' and '.join(one.against)}: {figure}{raw}"
    covered = f"answered {one.scored:,} of {one.asked:,}" if one.scored < one.asked else ""
    parts = [f"{one.items:,} items of {one.data.name}", covered, f"measured {one.time[:10]}"]
    if one.calibration is not None:
        parts.append(f"stated probabilities are off by {one.calibration.error:.2f}")
    yield f"  {', '.join(filter(None, parts))}"
    if one.wordings:
        yield "  asked in other words than the others"
    if one.groups:
        worst = sorted(one.groups.items(), key=lambda g: g[1].alpha.estimate or 0.0)[:3]
        yield "  lowest: " + ", ".join(
            f"{n} α {format_interval(p.alpha)} ({p.items})" for n, p in worst
        )


def format_interval(interval: Interval) -> str:
    """An estimate with its limits, to the digits worth reading."""
    if interval.estimate is None:
        return f"undefined ({interval.note})"
    if interval.limits is None:
        return f"{interval.estimate:.3f} (no interval: {interval.note})"
    note = f"; {interval.note}" if interval.note else ""
    low, high = interval.limits
    return f"{interval.estimate:.3f} ({low:.3f} to {high:.3f}{note})"
