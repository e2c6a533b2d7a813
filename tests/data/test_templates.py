"""Known formats: price lists, FHIR, chat files, and templates of the user's own."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from metachain.data import Demonstration, Findings, read_demonstrations
from metachain.data import json_documents as documents
from metachain.errors import DataError

HEAD = (
    "hospital_name,last_updated_on,version,location_name,hospital_address,license_number|CA,affirmation\n"
    "Vale Hospital,2025-01-01,3.0.0,Vale Hospital East,1 Road,1|CA,TRUE\n"
)
TALL = (
    "description,code|1,code|1|type,code|2,code|2|type,setting,payer_name,plan_name\n"
    "HIP X-RAY,0324,RC,73500,CPT,outpatient,Alpha,PPO\n"
    "KNEE X-RAY,73560,CPT,0320,RC,outpatient,Alpha,PPO\n"
    "SCREW,C1713,HCPCS,,,outpatient,Alpha,PPO\n"
)
WIDE = (
    "description,code|1,code|1|type,standard_charge|Alpha|PPO|negotiated_dollar,standard_charge|Beta|HMO|methodology\n"
    "HIP X-RAY,0324,RC,120,fee schedule\n"
    "SCREW,C1713,HCPCS,3,\n"
)
MADE = [Demonstration("Vale Hospital", "HIP X-RAY", "0324"), Demonstration("Vale Hospital", "KNEE X-RAY", "0320")]


def price_list(count: int = 1, **head: Any) -> dict[str, Any]:
    """A price list in JSON; the item without a revenue code is left out."""
    items = [
        {
            "description": "HIP X-RAY",
            "code_information": [{"code": "73500", "type": "CPT"}, {"code": "0324", "type": "RC"}],
        },
        {"description": "KNEE X-RAY", "code_information": [{"code": "0320", "type": "RC"}]},
        {"description": "SCREW", "code_information": [{"code": "C1713", "type": "HCPCS"}]},
    ]
    return {"hospital_name": "Vale Hospital", **head, "standard_charge_information": items * count}


def read(folder: Path, content: object, **options: Any) -> tuple[list[Demonstration], Findings]:
    """Demonstrations of a file, and the findings."""
    path, found = folder / "data", Findings()
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_demonstrations(path, found=found, **options), found


@pytest.mark.parametrize(("content", "count"), [(HEAD + TALL, 2), (HEAD + WIDE, 1)], ids=["tall", "wide"])
def test_price_lists_in_csv(tmp_path: Path, content: str, count: int) -> None:
    """Tall and wide: revenue codes in any of the numbered columns, the institution from the lines above the header."""
    made, found = read(tmp_path, content)
    assert made == MADE[:count]
    assert (found.header_line, found.left_out, "CMS" in found.template) == (3, 1, True)
    columns = {"institution": "location_name"}
    assert read(tmp_path, content, columns=columns)[0][0].institution == "Vale Hospital East"
    own = {"input": "description", "output": "code|1", "institution": "hospital_name"}
    made, found = read(tmp_path, content, columns=own)
    assert len(made) == count + 1
    assert "several code systems" in found.notes()[-1]
    assert [one.output for one in read(tmp_path, content, columns=own, where=["code|1|type=RC"])[0]] == ["0324"]


def test_a_price_list_without_its_head_asks_for_the_institution(tmp_path: Path) -> None:
    """The message says that the institution is missing, and how to give it."""
    with pytest.raises(DataError, match="--institution NAME"):
        read(tmp_path, TALL)
    assert [one.output for one in read(tmp_path, TALL, institution="vale")[0]] == ["0324", "0320"]


@pytest.mark.parametrize("version", [{"version": "2.2.0", "hospital_location": ["East"]}, {"version": "3.0.0"}])
def test_price_lists_in_json(tmp_path: Path, version: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Read at once or streamed, indented or not, with the hospital's name before or after the list."""
    for size in (documents.SMALL, 100):
        monkeypatch.setattr(documents, "SMALL", size)
        for indent in (None, 2):
            text = json.dumps(price_list(**version), indent=indent)
            made, found = read(tmp_path, text)
            assert (made, found.left_out, found.records) == (MADE, 1, "standard_charge_information.*")
        columns = {"input": "description", "output": "code|1"}
        assert [one.output for one in read(tmp_path, text, columns=columns, institution="v")[0]] == [
            "73500",
            "0320",
            "C1713",
        ]


FHIR = [
    {"resourceType": "Patient", "id": "p"},
    {
        "resourceType": "ChargeItem",
        "id": "c",
        "code": {"text": "hip x-ray", "coding": [{"code": "0324", "display": "X"}]},
        "performingOrganization": {"display": "north"},
    },
    {
        "resourceType": "Claim",
        "provider": {"display": "north"},
        "item": [
            {"productOrService": {"text": "knee x-ray"}, "revenue": {"coding": [{"code": "0320"}]}},
            {"productOrService": {"coding": [{"code": "70551", "display": "mri brain"}]}},
        ],
    },
    {
        "resourceType": "DocumentReference",
        "id": "d",
        "custodian": {"display": "north"},
        "type": {"coding": [{"code": "18842-5"}]},
        "content": [{"attachment": {"data": base64.b64encode("Entlassung: gut, Öl".encode()).decode()}}],
    },
    {
        "resourceType": "Composition",
        "custodian": {"display": "north"},
        "section": [{"title": "Plan", "text": {"div": "<div>rest &amp; <b>water</b></div>"}}],
    },
    {
        "resourceType": "Condition",
        "id": "f",
        "meta": {"source": "north"},
        "code": {"text": "fever", "coding": [{"code": "R50"}]},
    },
    {
        "resourceType": "Observation",
        "id": "o",
        "performer": [{"display": "north"}],
        "code": {"coding": [{"code": "718-7", "display": "hemoglobin"}]},
    },
    {
        "resourceType": "ChargeItemDefinition",
        "id": "e",
        "publisher": "north",
        "title": "cast",
        "code": {"coding": [{"code": "0700"}]},
    },
]  # fmt: skip
FROM_FHIR = [
    ("hip x-ray", "0324"),
    ("knee x-ray", "0320"),
    ("mri brain", "70551"),
    ("Entlassung: gut, Öl", "18842-5"),
    ("rest & water", "Plan"),
    ("fever", "R50"),
    ("hemoglobin", "718-7"),
    ("cast", "0700"),
]


def test_fhir_bundles_and_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resources of several kinds, each by its own template, in a bundle or as lines; others are left out."""
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in FHIR]}
    texts = [json.dumps(bundle), json.dumps(bundle, indent=1), "".join(json.dumps(one) + "\n" for one in FHIR)]
    for size in (documents.SMALL, 100):
        monkeypatch.setattr(documents, "SMALL", size)
        for text in texts:
            made, found = read(tmp_path, text)
            assert [(one.input, one.output) for one in made] == FROM_FHIR
            assert ({one.institution for one in made}, found.left_out) == ({"north"}, 1)
            assert "FHIR" in found.template


def test_chat_files(tmp_path: Path) -> None:
    """The last question and its answer; the institution is that of the file or of the record."""
    turns = [
        ("system", "Code it."),
        ("user", "hi"),
        ("assistant", "hello"),
        ("user", "hip x-ray"),
        ("assistant", "0324"),
    ]
    record = {"messages": [{"role": role, "content": text} for role, text in turns]}
    assert read(tmp_path, record, institution="n")[0] == [Demonstration("n", "hip x-ray", "0324")]
    parts = {"messages": [{"role": "user", "content": [{"type": "text", "text": "hip"}]}, *record["messages"][-1:]]}
    assert read(tmp_path, {**parts, "institution": "m"})[0] == [Demonstration("m", "hip", "0324")]


def test_a_user_can_add_a_template(tmp_path: Path) -> None:
    """A file in the form of the built-in one; a mistake in it is named."""
    own = tmp_path / "own.toml"
    own.write_text(
        '[lab]\ntitle = "lab lists"\nsigns = ["Analyt"]\n[lab.columns]\ninput = "Analyt"\noutput = ["LOINC"]\n'
    )
    content = "Analyt;LOINC\nNatrium;2951-2\n"
    made, found = read(tmp_path, content, institution="n", template=str(own))
    assert (made, found.template) == ([Demonstration("n", "Natrium", "2951-2")], "lab lists")
    own.write_text("[lab]\ncolums = 1\n")
    with pytest.raises(DataError, match="unknown key 'colums'"):
        read(tmp_path, content, institution="n", template=str(own))
    with pytest.raises(DataError, match="there is no template 'nothing'"):
        read(tmp_path, content, institution="n", template="nothing")
    with pytest.raises(DataError, match="'institution', 'input', 'output'"):
        read(tmp_path, HEAD + TALL, template="none")
