# fuzz.mk: libFuzzer over every tests/fuzz/fuzz_NAME.c, which says what it links in its first comment ("rooms: ...") and which of these are
# the parsers that its corpus has to cover ("parsers: ...", else all of them).
#
#   make fuzz             every target from tests/fuzz/corpus/NAME on, FUZZ_SECONDS in all, then the coverage; one closing line
#   make fuzz-only        without the coverage
#   make fuzz-coverage    branches of the parsers that the corpora alone reach; prints the others; fails below FUZZ_COVERAGE percent
#   make fuzz-corpus      fuzzes on from what was found and keeps in the tree what reaches something new
#
# Findings and new inputs go to $(BUILD)/fuzz, never into the tree.

FUZZ_SECONDS  ?= 60
FUZZ_COVERAGE ?= 95
CLANG         ?= clang

FUZZ_SOURCES := $(wildcard tests/fuzz/fuzz_*.c)
FUZZERS      := $(FUZZ_SOURCES:tests/fuzz/fuzz_%.c=$(BUILD)/fuzz/%)
FUZZ_COVERS  := $(FUZZERS:%=%.coverage)
FUZZ_C       := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -DHAPAIR_SANITIZED=1
COVERAGE_C   := -O1 -fprofile-instr-generate -fcoverage-mapping -fsanitize=fuzzer-no-link

$(BUILD)/fuzz/o/%.o: %.c
	@mkdir -p $(@D)
	$(CLANG) $(BASE_C) $(FUZZ_C) -MMD -MP -c -o $@ $<
$(BUILD)/fuzz/c/%.o: %.c
	@mkdir -p $(@D)
	$(CLANG) $(BASE_C) $(COVERAGE_C) -MMD -MP -c -o $@ $<

define fuzzer # $(1) source, $(2) program
$(2): $(1:%.c=$(BUILD)/fuzz/o/%.o) $(patsubst $(OBJ)/%,$(BUILD)/fuzz/o/%,$(call rooms_of,$(1)))
	@mkdir -p $$(@D)
	$$(CLANG) -fsanitize=fuzzer,address,undefined -o $$@ $$^ $$(LIBS)
$(2).coverage: $(1:%.c=$(BUILD)/fuzz/c/%.o) $(patsubst $(OBJ)/%,$(BUILD)/fuzz/c/%,$(call rooms_of,$(1)))
	@mkdir -p $$(@D)
	$$(CLANG) -fsanitize=fuzzer -fprofile-instr-generate -o $$@ $$^ $$(LIBS)
endef
$(foreach s,$(FUZZ_SOURCES),$(eval $(call fuzzer,$(s),$(s:tests/fuzz/fuzz_%.c=$(BUILD)/fuzz/%))))

.PHONY: fuzz fuzz-only fuzz-coverage fuzz-corpus
fuzz: $(FUZZERS) $(FUZZ_COVERS)
	@{ tests/fuzz/run $(FUZZ_SECONDS) $(FUZZERS); tests/fuzz/coverage $(FUZZ_COVERAGE) $(FUZZ_COVERS); } | \
		awk '/ passed, [0-9]+ failed$$/ { passed += $$2; failed += $$4; next } { print; fflush() } \
			END { printf "fuzz: %d passed, %d failed\n", passed, failed; exit failed > 0 }'
fuzz-only: $(FUZZERS)
	@tests/fuzz/run $(FUZZ_SECONDS) $(FUZZERS)
fuzz-coverage: $(FUZZ_COVERS)
	@tests/fuzz/coverage $(FUZZ_COVERAGE) $(FUZZ_COVERS)
fuzz-corpus: $(FUZZERS)
	@tests/fuzz/run --keep $(FUZZ_SECONDS) $(FUZZERS)
