# One command for each thing a person does here. `make demo` and `make test` work in a fresh clone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
CORE := pyproject.toml constraints.txt sim/CMakeLists.txt $(wildcard sim/core/*)

.DEFAULT_GOAL := help
.PHONY: help demo onnx test test-slow test-wheel lint core format figures clean check-prerequisites

help:
	@echo "make demo       train, emit C, build and simulate LeNet-5 on embedded data: build/demo/report.json"
	@echo "make onnx MODEL=FILE.onnx   the same with your own network; DATASET=..., OPTIONS='--mean ... --std ...'"
	@echo "make test       static checks and the default tests (under 10 minutes)"
	@echo "make test-slow  the long checks as well; SWTRAIN_DATA names a folder with the full data sets"
	@echo "make test-wheel the default tests against the built wheel, outside the repository"
	@echo "make lint       ruff, mypy --strict, clang-format"
	@echo "make core       build the simulator core again after a change in sim/core"
	@echo "make figures    measure the figures of the README (JSON in build/)"

check-prerequisites:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.11 or newer, or set PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1): swtrain needs Python 3.11 or newer; set PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) lacks the venv module: install it (Debian: apt install python3-venv)" >&2; exit 1; }
	@c=$${CXX:-c++}; command -v $${c%% *} >/dev/null || { echo "no C++ compiler: install one (Debian: apt install g++), or set CXX" >&2; exit 1; }
	@c=$${CC:-cc}; command -v $${c%% *} >/dev/null || { echo "no C compiler: install one (Debian: apt install gcc), or set CC" >&2; exit 1; }

$(BIN)/python: | check-prerequisites
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# a stamp for each set of packages; sources need no new installation, the simulator core does
$(VENV)/.train: $(BIN)/python $(CORE)
	@echo "installing swtrain with what training needs (a few minutes the first time)"
	@$(PIP) -e '.[train]'
	@touch $@

$(VENV)/.dev: $(BIN)/python $(CORE)
	@echo "installing swtrain with what training and tests need (a few minutes the first time)"
	@$(PIP) -Ccmake.define.SWTRAIN_WERROR=ON -e '.[train,dev]'
	@touch $@ $(VENV)/.train

demo: $(VENV)/.train
	$(BIN)/swtrain train --config configs/demo.toml --out runs/demo --overwrite
	$(BIN)/swtrain emit-c runs/demo --out build/demo
	$(BIN)/swtrain build build/demo
	$(BIN)/swtrain sim build/demo --inputs 100 --json build/demo/report.json
	$(BIN)/swtrain report build/demo

# the folder is called after the file, for `import`, `emit-c` and `sim` alike
NAME = $(basename $(notdir $(MODEL)))
DATASET ?= mnist-subset

onnx: $(VENV)/.train
	@test -n "$(MODEL)" || { echo "say which network: make onnx MODEL=FILE.onnx" >&2; exit 1; }
	$(BIN)/swtrain import "$(MODEL)" --dataset $(DATASET) $(OPTIONS) --out "runs/$(NAME)"
	$(BIN)/swtrain emit-c "runs/$(NAME)" --out "build/$(NAME)"
	$(BIN)/swtrain build "build/$(NAME)"
	$(BIN)/swtrain sim "build/$(NAME)" --inputs 100 --json "build/$(NAME)/report.json"
	$(BIN)/swtrain report "build/$(NAME)"

test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -q

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -q -m 'slow or not slow'

# The wheel's packages come first on the path, the environment's other packages after them.
test-wheel: $(VENV)/.dev
	@rm -rf build/wheel && mkdir -p build/wheel
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w build/wheel .
	@$(PYTHON) -m venv build/wheel/venv
	@build/wheel/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps build/wheel/*.whl
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$(build/wheel/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/zz-dependencies.pth"
	@mkdir build/wheel/outside && cp -r tests configs results pyproject.toml build/wheel/outside/
	cd build/wheel/outside && ../venv/bin/python -P -m pytest -n 2 --dist worksteal -q

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $$(find firmware sim/core tests -name '*.[ch]' -o -name '*.cpp')

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $$(find firmware sim/core tests -name '*.[ch]' -o -name '*.cpp')

core: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -Ccmake.define.SWTRAIN_WERROR=ON -e .

figures: $(VENV)/.dev
	$(BIN)/python benchmarks/pipeline.py --json build/pipeline.json
	$(BIN)/python benchmarks/sim.py --json build/sim.json
	$(BIN)/python benchmarks/lea.py --json build/lea.json
	$(BIN)/python benchmarks/kernels.py --json build/kernels.json
	$(BIN)/python benchmarks/power.py --json build/power.json
	$(BIN)/python benchmarks/eval.py --json build/eval.json

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
