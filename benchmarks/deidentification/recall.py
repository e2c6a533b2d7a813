"""Recall and precision of the de-identification gate on synthetic notes, and its errors on charge descriptions.

    python -m benchmarks.deidentification.recall [DATA.jsonl]

An identifier counts as found if no letter or digit of it is left. A finding counts as right if it touches an
identifier. Intervals are 95 % Wilson intervals that count each place in a template once, since its fillings are alike.
DATA.jsonl holds charge descriptions without patient data, so every finding there is wrong.
"""

import logging
import sys
from time import process_time

import numpy as np

from benchmarks.common.hospital_split import development_hospitals
from benchmarks.deidentification.notes import notes
from metachain import read_demonstrations
from metachain.deidentification.identifiers import identifiers

NOTES, SEED = 400, 0
Z = 1.959964


def wilson(share, count):
    """The 95 % interval of a share of ``count`` independent cases; Wilson 1927, equation of the score interval."""
    middle = share + Z**2 / (2 * count)
    half = Z * np.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    return (middle - half) / (1 + Z**2 / count), (middle + half) / (1 + Z**2 / count)


def measured(several):
    """Rows of known identifiers (kind, slot, found whole) and of found spans (kind, text, right)."""
    recalled, precise = [], []
    for note in several:
        found = identifiers(note.text)
        hidden = {place for one in found for place in range(one.start, one.end)}
        for known in note.known:
            places = [place for place in range(known.start, known.end) if note.text[place].isalnum()]
            recalled.append((known.kind, known.slot, hidden.issuperset(places)))
        for one in found:
            right = any(one.start < known.end and known.start < one.end for known in note.known)
            precise.append((one.kind, note.text[one.start : one.end], right))
    return recalled, precise


def shares(several):
    """Recall, number of template places, number of identifiers, precision and number of found spans, by kind."""
    recalled, precise = measured(several)
    table = {}
    for kind in (*sorted({kind for kind, _, _ in recalled}), "all"):
        wanted = [(slot, whole) for own, slot, whole in recalled if kind in {own, "all"}]
        spans = [right for own, _, right in precise if kind in {own, "all"}]
        recall = float(np.mean([whole for _, whole in wanted]))
        precision = float(np.mean(spans)) if spans else float("nan")
        table[kind] = (recall, len({slot for slot, _ in wanted}), len(wanted), precision, len(spans))
    return table


def print_table(title, table):
    """Print one Markdown table, a row a kind."""
    print(f"\n{title}\n")
    print("| kind | recall | identifiers, places | precision | found |")
    print("|---|---|---|---|---|")
    for kind, (recall, slots, count, precision, spans) in table.items():
        low, high = wilson(recall, slots)
        least, most = wilson(precision, slots)
        told = f"{precision:.3f} [{least:.3f}, {most:.3f}]"
        print(f"| {kind} | {recall:.3f} [{low:.3f}, {high:.3f}] | {count}, {slots} | {told} | {spans} |")


def print_charges(path):
    """Print the rate of charge descriptions with a finding, of a thousand."""
    demonstrations = read_demonstrations(path)
    tuned = development_hospitals(demonstrations)
    for name, chosen in (("development", True), ("test", False)):
        texts = [one.input for one in demonstrations if (one.institution in tuned) is chosen]
        wrong = sum(bool(identifiers(text)) for text in texts)
        low, high = wilson(wrong / len(texts), len(texts))
        rate = f"{1000 * wrong / len(texts):.2f} [{1000 * low:.2f}, {1000 * high:.2f}]"
        print(f"{name} hospitals: {wrong} of {len(texts)} descriptions, {rate} a thousand")


def main(arguments):
    """Print the tables and the speed."""
    logging.disable()
    identifiers("loads Presidio")
    for title, held_out in (("Development templates", False), ("Held-out templates", True)):
        several = notes(NOTES, SEED, held_out)
        print_table(title, shares(several))
        began = process_time()
        for note in several:
            identifiers(note.text)
        took = process_time() - began
        length = np.mean([len(note.text) for note in several])
        print(f"\n{len(several) / took:.0f} notes a second of one processor, {length:.0f} characters each on average")

    if arguments:
        print()
        print_charges(arguments[0])


if __name__ == "__main__":
    main(sys.argv[1:])
