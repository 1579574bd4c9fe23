/*
 * commands_import.c: `hapair import`: reads files of keepalived and HAProxy and prints a configuration; it is read as `hapair check`
 * reads the text.
 */
#include "hapair/commands.h"
#include "hapair/config/config.h"
#include "hapair/import/haproxy.h"
#include "hapair/import/keepalived.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINK_PORT 7946

/* The whole file, malloc'd; NULL and errno. */
static char *read_file(const char *path, size_t *ret_n)
{
	FILE *file = fopen(path, "re");
	char *text = file ? malloc(CONFIG_FILE_BYTES_MAX + 1) : NULL;
	size_t n = 0;

	if (text)
		n = fread(text, 1, CONFIG_FILE_BYTES_MAX + 1, file);
	if (text && (ferror(file) || n > CONFIG_FILE_BYTES_MAX)) {
		if (n > CONFIG_FILE_BYTES_MAX)
			errno = EFBIG;
		free(text);
		text = NULL;
	}
	int saved = errno;
	if (file)
		fclose(file);
	errno = saved;
	*ret_n = n;
	return text;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* NAME=ADDRESS[,ADDRESS...]: in the place of what keepalived's file says about the nodes. */
static bool take_node(struct target *t, struct target_node *node, const char *text)
{
	const char *equals = strchr(text, '=');

	if (!equals)
		return false;
	node->name =
		target_name(t->arena, arena_text(t->arena, (struct span){text, (size_t)(equals - text)}));
	for (text = equals + 1; node->n_links < CONFIG_LINKS_MAX; text++) {
		struct span one = {text, strcspn(text, ",")};
		struct addr address = {.port = LINK_PORT};
		char out[ADDR_TEXT_MAX];

		if (ip_parse(one, &address.ip) < 0 && addr_parse(one, &address) < 0)
			return false;
		node->links[node->n_links++] = arena_text(t->arena, span_of(addr_format(&address, out)));
		text += one.n;
		if (!*text)
			return true;
	}
	return false;
}

struct order {
	const char *keepalived, *haproxy;
	const char *nodes[2];
	size_t n_nodes;
};

/* EXIT_DONE, or usage. */
static int take_flags(int argc, char **argv, struct order *ret)
{
	static const struct option longs[] = {{"keepalived", required_argument, NULL, 'k'},
					      {"haproxy", required_argument, NULL, 'h'},
					      {"node", required_argument, NULL, 'n'},
					      {0}};
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (option == 'k' && !ret->keepalived)
			ret->keepalived = optarg;
		else if (option == 'h' && !ret->haproxy)
			ret->haproxy = optarg;
		else if (option == 'n' && ret->n_nodes < 2)
			ret->nodes[ret->n_nodes++] = optarg;
		else
			return invocation_usage("import");
	}
	if (optind < argc || (!ret->keepalived && !ret->haproxy))
		return invocation_usage("import");
	return EXIT_DONE;
}

static int unreadable(const char *path)
{
	fprintf(stderr, "hapair: %s: %s\n", path, strerror(errno));
	return EXIT_FAILED;
}

static int read_sources(struct target *t, const struct order *order, const char *host)
{
	char *text;
	size_t n;

	t->sources = arena_printf(t->arena, "%s%s%s", order->keepalived ? base_name(order->keepalived) : "",
				  order->keepalived && order->haproxy ? " and " : "",
				  order->haproxy ? base_name(order->haproxy) : "");
	if (order->keepalived) {
		text = read_file(order->keepalived, &n);
		if (!text)
			return unreadable(order->keepalived);
		keepalived_import(t, base_name(order->keepalived), (struct span){text, n}, host);
		free(text);
	}
	if (order->haproxy) {
		text = read_file(order->haproxy, &n);
		if (!text)
			return unreadable(order->haproxy);
		haproxy_import(t, base_name(order->haproxy), (struct span){text, n});
		free(text);
	}
	return EXIT_DONE;
}

/* Flags over what the files say; a node for want of any. */
static int set_nodes(struct target *t, const struct order *order, const char *host)
{
	for (size_t i = 0; i < order->n_nodes; i++) {
		struct target_node node = {.priority = i == 0 ? 200 : 100};

		if (i < t->n_nodes)
			node.priority = t->nodes[i].priority;
		else if (t->n_nodes > 0)
			node.priority = t->nodes[0].priority > 10 ? t->nodes[0].priority - 10 : 0;
		if (!take_node(t, &node, order->nodes[i])) {
			fprintf(stderr, "hapair: --node %s: NAME=ADDRESS[,ADDRESS...] is wanted\n",
				order->nodes[i]);
			return EXIT_USAGE;
		}
		t->nodes[i] = node;
	}
	if (order->n_nodes > t->n_nodes)
		t->n_nodes = order->n_nodes;
	if (t->n_nodes == 0)
		t->nodes[t->n_nodes++] =
			(struct target_node){.name = target_name(t->arena, host), .priority = 100};
	return EXIT_DONE;
}

/* What was printed is a configuration: its mistakes, if there are any, are told. */
static int check(const char *text, size_t n)
{
	struct config_report *report = config_report_new();
	struct config_sources *sources = config_sources_from_text("standard output", text, n);
	struct config *config = config_read(sources, report);
	int status = config ? EXIT_DONE : EXIT_FAILED;

	config_report_print(report, stderr);
	if (!config)
		fprintf(stderr, "hapair: what was printed needs a hand before it is a good configuration\n");
	config_free(config);
	config_sources_free(sources);
	config_report_free(report);
	return status;
}

static int import(const struct order *order, struct arena *arena)
{
	char host[256] = "node", *text = NULL;
	size_t n = 0;
	struct target target;
	FILE *out;
	int status;

	gethostname(host, sizeof host - 1);
	target_init(&target, arena);
	status = read_sources(&target, order, host);
	if (status == EXIT_DONE)
		status = set_nodes(&target, order, host);
	if (status != EXIT_DONE)
		return status;
	out = open_memstream(&text, &n);
	if (!out) {
		fprintf(stderr, "hapair: out of memory\n");
		return EXIT_FAILED;
	}
	target_print(&target, out);
	fclose(out);
	fwrite(text, 1, n, stdout);
	status = check(text, n);
	free(text);
	return status;
}

int command_import(const struct invocation *invocation, int argc, char **argv)
{
	struct order order = {0};
	struct arena *arena;
	int status = take_flags(argc, argv, &order);

	if (status != EXIT_DONE)
		return status;
	arena = arena_new();
	status = import(&order, arena);
	arena_free(arena);
	return status;
}
