/*
 * shrink.h: makes a failing schedule small, so that one can read what went wrong.
 */
#ifndef HAPAIR_SIM_SHRINK_H
#define HAPAIR_SIM_SHRINK_H

#include "tests/sim/plan.h"

/* What goes wrong in a schedule, a static text, and when; NULL: nothing. */
typedef const char *verdict_fn(const struct plan *plan, void *arg, nanos *ret_at);

/* `plan` fails; afterwards it fails with the same text, and no single step of shrink.c makes it any smaller. */
void plan_shrink(struct plan *plan, verdict_fn *verdict, void *arg);

#endif
