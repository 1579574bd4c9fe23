/*
 * commands_check.c: `hapair check`: every mistake of the configuration, the text's and the machine's, on standard error.
 */
#include "hapair/commands.h"
#include "hapair/config/config.h"

#include <stdio.h>

int command_check(const struct invocation *invocation, int argc, char **argv)
{
	struct config_report *report;
	struct config_sources *sources;
	struct config *config = NULL;
	size_t node;

	if (argc != 1)
		return invocation_usage(argv[0]);
	report = config_report_new();
	if (!report) {
		fprintf(stderr, "hapair: out of memory\n");
		return EXIT_FAILED;
	}
	sources = config_sources_read(invocation->config, report);
	if (sources) /* as a start reads it */
		config = config_read_here(sources, invocation->node, &node, report);
	if (config)
		printf("%s: good, as node %s\n", invocation->config, config->nodes[node].name);
	else
		config_report_print(report, stderr);
	config_sources_free(sources);
	config_report_free(report);
	if (!config)
		return EXIT_FAILED;
	config_free(config);
	return EXIT_DONE;
}
