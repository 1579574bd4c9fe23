/*
 * rules.h: what must hold between options and between blocks.
 *
 * Looks only at values that were read without a mistake, so that one mistake is one line.
 */
#ifndef HAPAIR_CONFIG_RULES_H
#define HAPAIR_CONFIG_RULES_H

#include "hapair/base/config.h"
#include "hapair/config/report.h"

void config_check_rules(const struct config *config, struct config_report *report);

#endif
