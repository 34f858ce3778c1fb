# Tessera. Two commands set everything up on a machine that has a Swift toolchain:
#
#   make demo     system packages, build, built-in data, train FSQ and VQ, alive and collapsed, encode, decode, compare,
#                 train a prior on the tokens, draw images
#   make test     all tests
#
# Also: make build, make format (rewrites layout), make check (what CI runs before the tests), make tsan
# (looks for data races), make bench, which measures, and make study, which trains many runs: see
# Benchmarks/README.md.

SWIFT  ?= swift
# -march=native reaches Swift's own code generation too; so does -march=x86-64-v3. `make dist` has them all.
NATIVE ?= -Xcc -march=native
# MPI=1 builds in the MPI that is installed, or installs Open MPI: for ranks that mpirun starts.
MPI    ?=
ifeq ($(MPI),1)
TRAITS = --traits MPI
export MPI
export MPI_PACKAGE ?= $(shell for p in mpi-c ompi-c mpich; do pkg-config --exists $$p 2>/dev/null && echo $$p && break; done)
endif
BUILD   = $(SWIFT) build -c release $(TRAITS) $(NATIVE)
BIN     = .build/release
MANUAL  = .build/manual/release/generate-manual

DEMO    = checkpoints/demo
SOURCES = Package.swift Sources Tests Examples Benchmarks/Package.swift Benchmarks/Sources

# What make dist builds for, and where it puts it together: on x86-64 for every level of processor, of which
# the loader takes the best; elsewhere once. LEVELS=native is this machine's build alone.
LEVELS  ?= $(if $(filter Linux-x86_64,$(shell uname -sm | tr ' ' -)),x86-64-v2 x86-64-v3 x86-64-v4,native)
VERSION := $(shell sed -n 's/.*static let version = "\(.*\)"/\1/p' Sources/Training/Runs/RunDiary.swift)
NAME     = tessera-$(VERSION)-$(shell uname -sm | tr 'A-Z ' 'a-z-')
DIST     = .build/dist/$(NAME)

# Where make install puts things; DESTDIR goes before it, for whoever makes a package.
PREFIX  ?= /usr/local
DESTDIR ?=
SHARE    = $(DESTDIR)$(PREFIX)/share
MAN      = $(SHARE)/man/man1

# What make bench measures: SECTION=peers, kernels, encode, loading, monitor, growth, prior, prior-growth,
# prior-quality, continuous, rivals or scale; PRESETS=tiny and ROUNDS=1 make it short.
SECTION ?= peers
PRESETS ?=
ROUNDS  ?=
BENCH   = $(SWIFT) build --package-path Benchmarks -c release $(NATIVE)

.PHONY: help demo test tsan build manual dist stage install uninstall bench study format check packages clean

help:
	@echo "make build    the commands, in $(BIN): train encode decode compare scenes sweep, and"
	@echo "              tessera, which has them all"
	@echo "make demo     build, draw a data set, train three tokenizers, encode, decode, compare, train a prior"
	@echo "make test     all tests;  make tsan   those of threads, with the thread sanitizer"
	@echo "make dist     a tarball for machines without Swift: tessera for every level of processor (LEVELS=)"
	@echo "make install  that, with completions for bash, zsh and fish, and man pages (PREFIX=, DESTDIR=);"
	@echo "              make uninstall"
	@echo "make bench    measure, beside PyTorch where it is there (SECTION=, PRESETS=, ROUNDS=)"
	@echo "make study    train the runs of a study (STUDY=, DATA=, VALIDATION=, MINUTES=)"
	@echo "make format   rewrite the layout of the sources;  make check   what CI runs first"
	@echo "make clean    remove what was built"
	@echo "System packages are installed where they are missing (make packages). MPI=1 builds with MPI."
	@echo "Then: $(BIN)/train photos-256 --data ~/photos   (see docs/photos.md)"


packages:
	@./.ci/packages

build: packages
	$(BUILD)

# The whole way in a few minutes: draw images, train three tokenizers on them, one of which collapses,
# turn images into tokens and back, compare; train a prior on the tokens of one and draw from it. Everything it makes lies in data/scenes and $(DEMO).
demo: build
	rm -rf $(DEMO)
	$(BIN)/scenes --output data/scenes
	$(BIN)/train --config configs/fsq.json --output $(DEMO)/fsq
	$(BIN)/train --config configs/vq.json --output $(DEMO)/vq
	$(BIN)/train --config configs/vq-plain.json --output $(DEMO)/vq-plain
	$(BIN)/encode --checkpoint $(DEMO)/fsq --output $(DEMO)/tokens.safetensors --verify \
	  data/scenes/validation
	$(BIN)/decode --checkpoint $(DEMO)/fsq --output $(DEMO)/decoded $(DEMO)/tokens.safetensors
	$(BIN)/compare $(DEMO)/fsq $(DEMO)/vq $(DEMO)/vq-plain --samples $(DEMO)/comparison.png --html $(DEMO)/report.html
	$(BIN)/encode --checkpoint $(DEMO)/fsq --output $(DEMO)/train.safetensors data/scenes/train
	$(BIN)/train --config configs/scenes-prior.json --output $(DEMO)/prior
	$(BIN)/tessera sample --checkpoint $(DEMO)/prior --top-p 0.95 --count 36 --beside data/scenes/validation \
	  --output $(DEMO)/samples.png
	@echo
	@echo "Originals, and under them what the three make of them: $(DEMO)/comparison.png"
	@echo "Originals, reconstructions, and images that nobody drew: $(DEMO)/samples.png"
	@echo "All that the runs say of themselves, to open in a browser: $(DEMO)/report.html"

test: packages
	$(BUILD) --build-tests
	$(SWIFT) test -c release $(TRAITS) $(NATIVE) --skip-build --disable-xctest

# The tests of what threads share, with the thread sanitizer: lanes, the sums and updates that they share,
# loading, encoding. A build of its own without optimization, so no test here trains for long.
TSAN    = --scratch-path .build/tsan --sanitize thread $(TRAITS) $(NATIVE)
SHARED  = ThreadsTests|TraceTests|UpdateMeasurementTests|threadsChangeNoBit|theResultDependsOnLanes
SHARED := $(SHARED)|LaneChoiceTests|TrainableModelTests|ModelRunTests|TesseraTests.ModelTests
SHARED := $(SHARED)|BatchLoaderTests|ImageStoreTests|DatasetTests|CodecTests/tokensDecode
SHARED := $(SHARED)|TeamTests|CodecTests/threadsThat
SHARED := $(SHARED)|ProcessGroupTests|SlicedWassersteinTests/symmetry|FeatureDistancesTests/definition

tsan: packages
	$(SWIFT) build $(TSAN) --build-tests
	TSAN_OPTIONS=suppressions=.ci/tsan-suppressions \
	  $(SWIFT) test $(TSAN) --skip-build --disable-xctest --no-parallel --filter '$(SHARED)'

# A folder and a tarball that run on Linux machines without Swift, on any x86-64 processor of the last fifteen
# years: the program, its libraries for each level, completions, man pages, configurations, a checkpoint.
dist: stage
	.ci/check-dist $(DIST)
	tar -C $(dir $(DIST)) -czf $(DIST).tar.gz $(notdir $(DIST))
	@echo $(DIST).tar.gz

stage: packages | $(MANUAL)
	$(foreach level,$(filter-out native,$(LEVELS)),$(BUILD_LEVEL) --scratch-path .build/$(level) &&) true
	$(if $(filter native,$(LEVELS)),$(BUILD))
	.ci/dist $(DIST) $(MANUAL) $(foreach level,$(LEVELS),$(if $(filter native,$(level)),$(BIN),$(level)=.build/$(level)/release))

BUILD_LEVEL = $(SWIFT) build -c release --product TesseraCommands -Xlinker -s -Xcc -march=$(level)

# Installs what `make dist` put together: `make dist`, then `sudo make install`.
install: | $(DIST)
	@[ -z "$$(find Sources Package.swift -newer $(DIST)/bin -print -quit)" ] || \
	  echo "note: the sources have changed since make dist, whose files these are"
	install -d "$(DESTDIR)$(PREFIX)/lib" "$(SHARE)/tessera"
	rm -rf "$(DESTDIR)$(PREFIX)/lib/tessera" "$(MAN)"/tessera.1 "$(MAN)"/tessera-*.1
	cp -R $(DIST)/bin $(DIST)/share "$(DESTDIR)$(PREFIX)"
	cp -R $(DIST)/configs $(DIST)/checkpoints "$(SHARE)/tessera"
	[ ! -d $(DIST)/lib ] || cp -R $(DIST)/lib/tessera "$(DESTDIR)$(PREFIX)/lib"

$(DIST):
	$(MAKE) stage

uninstall:
	rm -rf "$(DESTDIR)$(PREFIX)/lib/tessera" "$(SHARE)/tessera"
	rm -f "$(DESTDIR)$(PREFIX)/bin/tessera" "$(SHARE)/bash-completion/completions/tessera" \
	  "$(SHARE)/zsh/site-functions/_tessera" "$(SHARE)/fish/vendor_completions.d/tessera.fish" \
	  "$(MAN)"/tessera.1 "$(MAN)"/tessera-*.1

$(BIN)/tessera:
	$(MAKE) build

# Makes man pages of a program's help: a tool that comes with the argument parser.
manual: | $(MANUAL)

$(MANUAL): | $(BIN)/tessera
	$(SWIFT) build -c release --package-path .build/checkouts/swift-argument-parser \
	  --scratch-path .build/manual --product generate-manual

bench: build
	$(BENCH)
	Benchmarks/.build/release/bench $(SECTION) $(if $(PRESETS),--presets $(PRESETS)) \
	  $(if $(ROUNDS),--rounds $(ROUNDS)) --build-flags="$(NATIVE)"

# Trains the runs that a file of Benchmarks/studies lists, and goes on where it was stopped:
# make study STUDY=averaging DATA=~/cifar10/train VALIDATION=~/cifar10/test
STUDY      ?= codebooks
DATA       ?= data/cifar10/train
VALIDATION ?= data/cifar10/test
MINUTES    ?=

study: build
	$(BENCH)
	Benchmarks/.build/release/bench study $(STUDY) --data $(DATA) --validation $(VALIDATION) \
	  $(if $(MINUTES),--minutes $(MINUTES)) --build-flags="$(NATIVE)"

format:
	$(SWIFT) format --in-place --parallel --recursive $(SOURCES)

# What CI runs before the tests: the layout, the walls between the targets, and that the benchmarks
# still build (without optimization, which takes half the time).
check: packages
	$(SWIFT) format lint --strict --parallel --recursive $(SOURCES)
	$(BUILD) --build-tests --explicit-target-dependency-import-check error
	$(SWIFT) build --package-path Benchmarks --explicit-target-dependency-import-check error

clean:
	rm -rf .build Benchmarks/.build
