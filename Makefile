# hapair: GNU make, pkg-config, nothing else.
#
#   make                    release build: build/hapair
#   make check              install what it needs, run every test            (root: the system stories need namespaces)
#   make demo               install what it needs, show a failover under load (root)
#   make bench              beside HAProxy and nginx, in the same run         (root)
#   make chaos              every fault we know, beside keepalived + HAProxy: CHAOS.md   (root, 10 minutes)
#   make vmtest             the package on two emulated machines               (root; its stories are not proved yet)
#   make unit sim config setup manual fuzz system layers chaos-short    the parts of check (sim: ten million schedules; SCHEDULES=200000 in check)
#   make install DESTDIR= PREFIX=/usr
#   make deb                install what it needs, build the package and let lintian look at it
#   variables: CC=clang  SANITIZE=address,undefined  BUILD=dir  DEBUG=1

.DEFAULT_GOAL := all

VERSION := 0.1.0
RELEASED := November 24, 2026
PREFIX  ?= /usr
SBINDIR ?= $(PREFIX)/sbin
UNITDIR ?= /lib/systemd/system
SYSCONFDIR ?= /etc
MANDIR ?= $(PREFIX)/share/man

empty :=
comma := ,
space := $(empty) $(empty)
ifeq ($(SANITIZE),)
BUILD ?= build
else
BUILD ?= build-$(subst $(comma),-,$(SANITIZE))
endif

PACKAGES := libevent_core libevent_extra libevent_openssl libssl libcrypto libnl-3.0 libnl-route-3.0 libmnl libnftnl jansson libseccomp libcap libsystemd
ifneq ($(filter-out clean deps demo check bench chaos deb vmtest,$(or $(MAKECMDGOALS),all)),)
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES))
PKG_LIBS   := $(shell pkg-config --libs $(PACKAGES))
ifeq ($(PKG_LIBS),)
$(error development packages are missing: run scripts/deps build as root)
endif
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wpointer-arith \
	-Wwrite-strings -Wvla -Wformat=2 -Wundef -Wno-unused-parameter -Werror
HARDEN_C := -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE
HARDEN_L := -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed
BASE_C   := -std=gnu17 -D_GNU_SOURCE -DHAPAIR_VERSION='"$(VERSION)"' -DHAPAIR_RELEASED='"$(RELEASED)"' -I. $(PKG_CFLAGS) $(WARNINGS) -g -fno-omit-frame-pointer -fno-strict-aliasing

ifneq ($(SANITIZE),)
OPT_C := -O1 -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -DHAPAIR_SANITIZED=1
OPT_L := -fsanitize=$(SANITIZE)
HARDEN_C := -fPIE
HARDEN_L := -pie
else ifneq ($(DEBUG),)
OPT_C := -O0
OPT_L :=
else
OPT_C := -O2 -D_FORTIFY_SOURCE=2
OPT_L :=
# Link-time optimisation for the shipped binary; tests link the same objects without it.
LTO_C := -flto=auto -ffat-lto-objects
LTO_L := -flto=auto -O2
LTO_OFF := -fno-lto
ifneq ($(findstring clang,$(CC)),)
LTO_C :=
LTO_L :=
LTO_OFF :=
endif
endif

ALL_C = $(BASE_C) $(OPT_C) $(LTO_C) $(HARDEN_C) $(CFLAGS)
ALL_L = $(HARDEN_L) $(OPT_L) $(LDFLAGS)
LIBS  = $(PKG_LIBS) -lm -lpthread

SOURCES := $(wildcard hapair/base/*.c hapair/config/*.c hapair/init/*.c hapair/import/*.c hapair/sync/*.c hapair/admin/*.c hapair/supervisor/*.c hapair/*.c heartbeat/*.c vip/*.c proxy/*.c)
# Objects in a directory of their own: $(BUILD)/hapair is the program.
OBJ     := $(BUILD)/obj
OBJECTS := $(SOURCES:%.c=$(OBJ)/%.o)

# One short line for each step; V=1 shows the commands.
ifeq ($(V),)
Q := @
SAY := @printf '  %-4s %s\n'
else
Q :=
SAY := @:
endif

.PHONY: all
all: $(BUILD)/hapair $(BUILD)/tools

$(BUILD)/hapair: $(OBJECTS)
	$(SAY) LINK $@
	$(Q)$(CC) $(ALL_L) $(LTO_L) -o $@ $^ $(LIBS)

$(OBJ)/%.o: %.c
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(ALL_C) -MMD -MP -c -o $@ $<

# Tests and tools name the rooms that they link in their first 20 lines: "rooms: heartbeat/wire.c hapair/base/addr.c".
# That a pure room's test links without the rest is itself a test.
rooms_of = $(patsubst %.c,$(OBJ)/%.o,$(shell sed -n '1,20s/^.*rooms: *\([^*]*\).*$$/\1/p' $(1)))

UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
UNIT_TESTS   := $(UNIT_SOURCES:tests/unit/%.c=$(BUILD)/tests/unit/%)
TOOL_SOURCES := $(wildcard tests/tools/*.c)
TOOLS        := $(TOOL_SOURCES:tests/tools/%.c=$(BUILD)/tests/tools/%)
SIM_SOURCES  := $(wildcard tests/sim/*.c)

define program # $(1) source, $(2) program, $(3) further libraries
$(2): $(1:%.c=$(OBJ)/%.o) $(call rooms_of,$(1))
	@mkdir -p $$(@D)
	$$(SAY) LINK $$@
	$$(Q)$$(CC) $$(ALL_L) $$(LTO_OFF) -o $$@ $$^ $$(LIBS) $(3)
endef
$(foreach s,$(UNIT_SOURCES),$(eval $(call program,$(s),$(s:tests/unit/%.c=$(BUILD)/tests/unit/%),-lcmocka)))
$(foreach s,$(TOOL_SOURCES),$(eval $(call program,$(s),$(s:tests/tools/%.c=$(BUILD)/tests/tools/%),)))

.PHONY: $(BUILD)/tools
$(BUILD)/tools: $(TOOLS) $(BUILD)/tests/tools/clock_shift.so

$(BUILD)/tests/tools/clock_shift.so: tests/tools/preload/clock_shift.c
	@mkdir -p $(@D)
	$(SAY) LINK $@
	$(Q)$(CC) $(BASE_C) -O2 -fPIC -shared -o $@ $< -ldl

.PHONY: unit
unit: $(UNIT_TESTS)
	@scripts/run-unit $(UNIT_TESTS)

include tests/sim/sim.mk
include tests/fuzz/fuzz.mk

.PHONY: config
config: $(BUILD)/hapair
	@tests/config/run $(BUILD)/hapair

.PHONY: setup
setup: $(BUILD)/hapair
	@tests/setup/run $(BUILD)/hapair
# Man pages and completions, printed by the program from its own tables.
PAPERS := $(addprefix $(BUILD)/doc/,hapair.8 hapair.conf.5 hapair.bash hapair.zsh)
$(PAPERS): $(BUILD)/hapair
	@mkdir -p $(@D)
	$(SAY) DOC $@
	$(Q)$< help $(@F) >$@.new && mv $@.new $@

.PHONY: manual
manual: $(BUILD)/hapair $(PAPERS)
	@tests/manual/run $(BUILD)/hapair $(BUILD)/doc

.PHONY: system
system: $(BUILD)/hapair $(BUILD)/tools
	@scripts/run-system $(BUILD)

.PHONY: layers
layers:
	@scripts/layers

.PHONY: chaos-short
chaos-short: $(BUILD)/hapair $(BUILD)/tools
	@scripts/chaos --quick $(BUILD)

.PHONY: deps demo check bench chaos
deps:
	@scripts/deps check
check:
	@scripts/deps check
	@SANITIZE=$(SANITIZE) scripts/check
demo:
	@scripts/deps lab
	@$(MAKE) --no-print-directory -s -j2 all
	@scripts/demo $(BUILD)
bench:
	@scripts/deps bench
	@$(MAKE) --no-print-directory -s -j2 all
	@scripts/bench $(BUILD)
chaos:
	@scripts/deps chaos
	@$(MAKE) --no-print-directory -s -j2 all
	@scripts/chaos --write $(BUILD)

.PHONY: install
install: $(BUILD)/hapair $(PAPERS)
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSCONFDIR)/hapair $(DESTDIR)$(PREFIX)/share/hapair/hooks
	install -m 755 scripts/hooks/* $(DESTDIR)$(PREFIX)/share/hapair/hooks
	install -m 755 $(BUILD)/hapair $(DESTDIR)$(SBINDIR)/hapair
	sed 's,@SBINDIR@,$(SBINDIR),' scripts/hapair.service >$(BUILD)/hapair.service
	install -m 644 $(BUILD)/hapair.service $(DESTDIR)$(UNITDIR)/hapair.service
	install -D -m 644 $(BUILD)/doc/hapair.8 $(DESTDIR)$(MANDIR)/man8/hapair.8
	install -D -m 644 $(BUILD)/doc/hapair.conf.5 $(DESTDIR)$(MANDIR)/man5/hapair.conf.5
	install -D -m 644 $(BUILD)/doc/hapair.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/hapair
	install -D -m 644 $(BUILD)/doc/hapair.zsh $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_hapair
	@# The proxy and hooks run as this user; a package makes it itself.
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" != 0 ] || getent passwd hapair >/dev/null || \
		useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin hapair

.PHONY: deb
deb:
	@scripts/deps package
	@$(MAKE) --no-print-directory -s all
	@scripts/packaging/deb $(BUILD) $(VERSION) "$(RELEASED)"

# Two revisions of the same program: what an upgrade is.
.PHONY: vmtest
vmtest:
	@scripts/deps vm
	@$(MAKE) --no-print-directory -s -j2 all
	@REVISION=1 scripts/packaging/deb $(BUILD) $(VERSION) "$(RELEASED)"
	@REVISION=2 scripts/packaging/deb $(BUILD) $(VERSION) "$(RELEASED)"
	@scripts/vmtest $(BUILD) $(BUILD)/hapair_$(VERSION)-[12]_*.deb

.PHONY: clean
clean:
	rm -rf build build-*

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
