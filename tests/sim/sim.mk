# The simulator links the pure rooms of the heart, built with the planted faults selectable at run time (heartbeat/plant.h).
#
#   make sim                        every kept schedule, 10 million new ones (some 15 minutes on two cores), every planted fault
#   make sim SCHEDULES=200000       what make check does
#   $(BUILD)/sim/sim --seed N --trace

SCHEDULES ?= 10000000
SIM_ROOMS := heartbeat/act.c heartbeat/core.c heartbeat/damping.c heartbeat/detect.c heartbeat/election.c heartbeat/hear.c heartbeat/lease.c \
	heartbeat/life.c heartbeat/obey.c heartbeat/orders.c heartbeat/replay.c heartbeat/witness.c
SIM_OBJECTS := $(patsubst %.c,$(BUILD)/sim/%.o,$(SIM_ROOMS) $(SIM_SOURCES) hapair/base/msg.c)
# Speed is what it is for, also under a sanitizer; it reads nothing from outside, so nothing is hardened.
ifeq ($(SANITIZE),)
SIM_C := $(BASE_C) -DHAPAIR_PLANT -O2 $(LTO_C) $(CFLAGS)
SIM_L := -O2 $(LTO_L) $(LDFLAGS)
else
SIM_C := $(BASE_C) $(OPT_C) $(HARDEN_C) -DHAPAIR_PLANT -O2 $(CFLAGS)
SIM_L := $(ALL_L)
endif

$(BUILD)/sim/%.o: %.c
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(SIM_C) -MMD -MP -c -o $@ $<

$(BUILD)/sim/sim: $(SIM_OBJECTS)
	$(SAY) LINK $@
	$(Q)$(CC) $(SIM_L) -o $@ $^

.PHONY: sim
sim: $(BUILD)/sim/sim
	@$(BUILD)/sim/sim --schedules $(SCHEDULES) --seeds tests/sim/seeds
