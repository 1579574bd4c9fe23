# The simulator links the pure rooms of the heart, built with the planted faults selectable at run time (heartbeat/plant.h).
#
#   make sim              every kept seed, 200,000 schedules, every planted fault
#   make sim SIM=20000    the short form, and the default under a sanitizer
#   $(BUILD)/sim/sim --seed N --trace

ifeq ($(SANITIZE),)
SIM       ?= 200000
else
SIM       ?= 20000
endif
SIM_ROOMS := heartbeat/act.c heartbeat/core.c heartbeat/damping.c heartbeat/detect.c heartbeat/election.c heartbeat/hear.c heartbeat/lease.c \
	heartbeat/life.c heartbeat/obey.c heartbeat/orders.c heartbeat/replay.c heartbeat/witness.c
SIM_OBJECTS := $(patsubst %.c,$(BUILD)/sim/%.o,$(SIM_ROOMS) $(SIM_SOURCES) hapair/base/msg.c)
# Speed is what it is for, also under a sanitizer.
SIM_C := -DHAPAIR_PLANT -O2

$(BUILD)/sim/%.o: %.c
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(BASE_C) $(OPT_C) $(HARDEN_C) $(SIM_C) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/sim/sim: $(SIM_OBJECTS)
	$(SAY) LINK $@
	$(Q)$(CC) $(ALL_L) -o $@ $^

.PHONY: sim
sim: $(BUILD)/sim/sim
	@$(BUILD)/sim/sim --schedules $(SIM) --seeds tests/sim/seeds
