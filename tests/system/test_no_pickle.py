"""Nothing here reads or writes a pickle."""

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in (
        "metachain",
        "metachain/*",
        "retrievers",
        "chains",
        "chains/service",
        "examples",
        "benchmarks/*",
    )
    for path in HERE.glob(f"{folder}/*.py")
)
UNSAFE = {"pickle", "cPickle", "_pickle", "dill", "joblib", "cloudpickle", "shelve", "marshal", "jsonpickle"}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_no_source_touches_a_pickle(source: Path) -> None:
    """No module imports what pickles, loads what might be one, or lets NumPy or FAISS do so."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            assert not UNSAFE & {name.split(".")[0] for name in names}
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            said = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if called in {"np.load", "np.save", "np.savez", "np.savez_compressed", "numpy.load"}:
                assert said.get("allow_pickle") == "False", ast.unparse(node)
            assert called not in {"torch.load", "FAISS.load_local", "pd.read_pickle"}
            assert said.get("allow_dangerous_deserialization", "False") == "False"
