"""A scripted day at the coding desk of a new hospital.

python app.py [--model provider:name] [--lines 160]
"""

import argparse
import tempfile
from pathlib import Path

from chains.coding import coding_chain
from desk import Desk, Line
from hospitals import open_library

from metachain.chains import load_model

ROUNDS = 4


def main() -> None:
    """Take lines in, let the coder settle them, and print the number of right proposals in each round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="offline")
    parser.add_argument("--lines", type=int, default=160)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        library, hospital, booked = open_library(Path(folder) / "group.db")
        with library:
            day(Desk(hospital, library, coding_chain(load_model(options.model), library)), booked[: options.lines])


def day(desk: Desk, booked: list) -> None:
    """Run four rounds; the synthetic hospital's own bookings stand in for its coder."""
    codes = {one.input: one.output for one in booked}

    def coder(line: Line) -> str:
        return codes[line.text]

    size = -(-len(booked) // ROUNDS)
    for number in range(ROUNDS):
        for one in booked[number * size : (number + 1) * size]:
            desk.take_in(one.input)
        if number == 0:
            desk.take_in("   ")
        right, settled = desk.work(coder)
        print(f"round {number + 1}: {right} of {settled} proposals right ({right / max(settled, 1):.0%})")
    for one in desk.refused:
        print(f"not proposed: {one}")


if __name__ == "__main__":
    main()
