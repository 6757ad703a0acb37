# Two commands do everything: `make run` and `make test`. The build itself is Meson's.
BUILD ?= build
DATA ?= weir-data

# make soak MINUTES=60 RATE=300000 SIZE=12G DATA=a folder with room for SIZE twice
SOAK = $(if $(filter file,$(origin DATA)),,--data $(DATA)) $(if $(RATE),--rate $(RATE)) $(if $(SIZE),--size $(SIZE)) $(if $(KILLS),--kills $(KILLS))

.PHONY: run facts test bench soak fuzz format lint deps build deb deb-test gen clean

# make run SAMPLE=1 sends generated traffic; ARGS='--listen udp://[::]:9995' and the like go to weir serve
run:
	@tools/deps.sh build
	@tools/build.sh $(BUILD) weir tools/flowgen
	@test -d $(DATA)/facts || (mkdir -p $(DATA) && python3 tools/facts.py $(BUILD)/weir $(DATA)/facts --quiet)
	@tools/run.sh $(BUILD) $(DATA) '$(SAMPLE)' $(ARGS)

# AS numbers and countries of addresses: pinned npm packages, checked and compiled
facts: build
	@tools/deps.sh facts
	@mkdir -p $(DATA)
	@python3 tools/facts.py $(BUILD)/weir $(DATA)/facts

test:
	@tools/deps.sh build test
	@python3 tests/run.py

build:
	@tools/deps.sh build
	@tools/build.sh $(BUILD)

# a package for the Debian that runs this: BUILD/weir_VERSION_ARCH.deb
deb:
	@tools/deps.sh build deb
	@tools/deb.sh $(BUILD)

# installs, upgrades under load, removes and purges it in a fresh Debian of its own (root, network, some minutes)
deb-test:
	@tools/deps.sh build deb
	@tests/deb/run.sh $(BUILD)

bench: build
	@tools/deps.sh build bench
	@python3 bench/run.py --build $(BUILD)
	@python3 bench/table.py

# make soak ONLY=soak or ONLY=conserve: one of the two
soak: build
	@test '$(ONLY)' = conserve || python3 tests/soak/soak.py --build $(BUILD) --minutes $(or $(MINUTES),60) $(SOAK)
	@test '$(ONLY)' = soak || python3 tests/soak/conserve.py --build $(BUILD) --minutes $(or $(MINUTES),30) --out bench/results/conserve.json

fuzz:
	@tools/deps.sh build test
	@python3 tests/fuzz/run.py --minutes $(or $(MINUTES),10)

format:
	@git ls-files '*.c' '*.h' | grep -v '^src/gen/\|^tools/flowgen.c' | xargs clang-format -i

lint:
	@tools/deps.sh build test
	@tools/lint.sh

gen:
	@python3 tools/gen.py .

deps:
	@tools/deps.sh build test bench

clean:
	@rm -rf $(BUILD) build-*
