# Tessera. Two commands set everything up on a machine that has a Swift toolchain:
#
#   make demo     system packages, build, built-in data, train FSQ and VQ, encode, decode, compare
#   make test     all tests
#
# Also: make build, make format (rewrites layout), make check (what CI runs before the tests).

SWIFT  ?= swift
# -march=native reaches Swift's own code generation too. `make NATIVE=` builds portably.
NATIVE ?= -Xcc -march=native
BUILD   = $(SWIFT) build -c release $(NATIVE)
BIN     = .build/release

.PHONY: demo test build format check packages clean

packages:
	@./.ci/packages

build: packages
	$(BUILD)

test: packages
	$(SWIFT) test -c release $(NATIVE)

format:
	$(SWIFT) format --in-place --parallel --recursive Package.swift Sources Tests

check: packages
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources Tests
	$(BUILD) --explicit-target-dependency-import-check error

clean:
	rm -rf .build
