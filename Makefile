# bancos: every target brings in what it needs. `make help` lists them.

BUN := node_modules/.bin/bun
BIOME := $(BUN) node_modules/@biomejs/biome/bin/biome
TSC := $(BUN) node_modules/typescript/bin/tsc

# The names that process.arch of Bun has, since src/memory/native.ts looks for them.
ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x64,$(shell uname -m)))
LIBRARY := build/libbancos-linux-$(ARCH).so

# The compiler: CC if it was given by hand, else the first that scripts/native.sh finds.
COMPILER := $(if $(filter default undefined,$(origin CC)),,$(CC))

# make test SUITE="codec node": these suites only. make torture SECONDS=600 SEED=7.
SUITE ?=
SECONDS ?= 60
SEED ?=
# make bench, make scale: see bench/README.md.
DATA ?=
ROUNDS ?=
STORES ?=
PROCESSES ?=
SIZES ?=
LARGE ?=

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all build deps test demo bench scale parts rivals docs lint format types torture mutants dist clean help

all: build ## dependencies and the native library (the default)

build: deps $(LIBRARY) ## the native library, by cc, gcc or clang
	@if [ -f $(LIBRARY) ]; then echo "build: $(LIBRARY) is up to date"; fi

# Without a compiler no library appears, and the rule says so each time.
$(LIBRARY): c/bancos.c scripts/native.sh
	@scripts/native.sh $@ $(COMPILER)

deps: node_modules/.deps ## Bun and the dependencies that bun.lock names
	@echo "deps: node_modules/ is up to date with bun.lock"

node_modules/.deps: package.json bun.lock scripts/bootstrap.sh
	@scripts/bootstrap.sh
	@touch $@

test: build ## types, lint, format, layering and all tests
	@echo "test: types, lint, format, then every suite"
	@$(BUN) scripts/test.ts $(SUITE)

demo: build ## load the English words with two writers while two readers look them up
	@echo "demo: examples/demo.ts"
	@$(BUN) examples/demo.ts

bench: build rivals ## compare with other stores: DATA=words,hex ROUNDS=5 STORES=bancos,lmdb PROCESSES=0
	@echo "bench: bench/main.ts; figures and charts go to docs/charts/"
	@$(BUN) bench/main.ts --out docs/charts $(if $(DATA),--data $(DATA)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
	  $(if $(STORES),--stores "$(STORES)") $(if $(PROCESSES),--processes $(PROCESSES))

scale: build rivals ## cost by the number of keys and the size of the file: SIZES=1k,1m ROUNDS=3 LARGE=6
	@echo "scale: bench/scale/main.ts; figures and charts go to docs/charts/"
	@$(BUN) bench/scale/main.ts --out docs/charts $(if $(SIZES),--sizes $(SIZES)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
	  $(if $(STORES),--stores "$(STORES)") $(if $(LARGE),--large $(LARGE))

parts: build ## the parts of an operation, one by one
	@echo "parts: bench/parts/main.ts"
	@$(BUN) bench/parts/main.ts

rivals: deps
	@cd bench && ../$(BUN) install --frozen-lockfile

docs: deps ## docs/api.md, out of the doc comments
	@echo "docs: TypeDoc"
	@$(BUN) scripts/docs.ts

lint: deps ## what Biome finds wrong
	@echo "lint: biome"
	@$(BIOME) lint --error-on-warnings .

format: deps ## rewrite TypeScript, JSON and C in the project's format
	@echo "format: biome, clang-format"
	@$(BIOME) check --write --linter-enabled=false .
	@if command -v clang-format >/dev/null 2>&1; then clang-format -i c/*.c; \
	  else echo "format: C not formatted: no clang-format"; fi

types: deps ## check the types
	@echo "types: tsc"
	@$(TSC) --noEmit

torture: build ## the long random tests: SECONDS=… SEED=…
	@echo "torture: $(SECONDS) seconds, seed $(or $(SEED),chosen by the run)"
	@$(BUN) test/torture/main.ts --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

mutants: build ## break the code on purpose; a test must notice each time
	@echo "mutants: test/mutants.json"
	@$(BUN) scripts/mutants.ts $(SUITE)

dist: build ## the npm package, in dist/
	@echo "dist: libraries for x64 and arm64, then the package"
	@$(BUN) scripts/dist.ts --install

clean: ## remove what was built (not the dependencies)
	@echo "clean: build/ dist/ coverage/"
	@rm -rf build dist coverage

help: ## this list
	@echo "make TARGET, one of:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-10s %s\n", $$1, $$2 }'
