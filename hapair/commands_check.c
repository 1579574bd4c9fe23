/*
 * commands_check.c: `hapair check`: every mistake of the configuration, the text's and the machine's, on standard error.
 */
#include "hapair/commands.h"
#include "hapair/config.h"

#include <stdio.h>

/* Reports into `report`; true when there was nothing to report. */
static bool check(const struct invocation *invocation, struct config_report *report)
{
	struct config_sources *sources = config_sources_read(invocation->config, report);
	size_t node;
	struct config *config = sources ? config_read_here(sources, invocation->node, &node, report) : NULL;

	if (config)
		printf("%s: good, as node %s\n", invocation->config, config->nodes[node].name);
	config_free(config);
	config_sources_free(sources);
	return config != NULL;
}

int command_check(const struct invocation *invocation, int argc, char **argv)
{
	struct config_report *report;
	bool good;

	if (argc != 1)
		return invocation_usage(argv[0]);
	report = config_report_new();
	if (!report) {
		fprintf(stderr, "hapair: out of memory\n");
		return EXIT_FAILED;
	}
	good = check(invocation, report);
	config_report_print(report, stderr);
	config_report_free(report);
	return good ? EXIT_DONE : EXIT_FAILED;
}
