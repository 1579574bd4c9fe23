/* generation.c: read, check, open; then hand each role its part and nothing more. */
#include "hapair/supervisor/generation.h"

#include "hapair/base/secret.h"
#include "hapair/supervisor/sealed.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECRET_BYTES_MAX      (64 << 10)
#define CERTIFICATE_BYTES_MAX (1 << 20)
#define WORKERS_MAX           256

static unsigned processors(void)
{
	cpu_set_t set;
	int n;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	n = CPU_COUNT(&set);
	return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

static void complain(const struct config *config, const char *kind, size_t index, const char *path, int error,
		     struct config_report *report)
{
	const char *file;
	unsigned line;

	config_where(config, kind, index, &file, &line);
	config_report_add(report, file, line, "%s: %s", path, strerror(error));
}

/* The report has what config_check_machine() found; here fails only what changed since, or memory. */
static void open_files(struct generation *g, struct config_report *report)
{
	const struct config *config = g->config;

	g->secret = sealed_file("hapair-secret", config->cluster.secret_file, SECRET_BYTES_MAX);
	if (g->secret < 0)
		complain(config, "cluster", 0, config->cluster.secret_file, -g->secret, report);
	for (size_t i = 0; i < config->n_listens; i++) {
		const char *path = config->listens[i].certificate;

		if (*path == '\0')
			continue;
		g->certificates[i] = sealed_file("hapair-certificate", path, CERTIFICATE_BYTES_MAX);
		if (g->certificates[i] < 0)
			complain(config, "listen", i, path, -g->certificates[i], report);
	}
}

static bool fill(struct generation *g, struct config_sources *sources, const char *path,
		 const struct generation *from, struct config_report *report)
{
	g->sources = config_sources_to_fd(sources);
	if (g->sources < 0)
		config_report_add(report, path, 0, "can't keep it in memory: %s", strerror(-g->sources));
	g->certificates = calloc(g->config->n_listens + 1, sizeof(int));
	if (!g->certificates) {
		config_report_add(report, path, 0, "out of memory");
		return false;
	}
	for (size_t i = 0; i < g->config->n_listens; i++)
		g->certificates[i] = -1;
	open_files(g, report);
	if (config_report_count(report) > 0)
		return false;
	g->listeners = listeners_open(g->config, g->workers, from ? from->listeners : NULL, report);
	return g->listeners != NULL;
}

struct generation *generation_read(const char *path, const char *node, const struct generation *from,
				   struct config_report *report)
{
	struct config_sources *sources = config_sources_read(path, report);
	struct generation *g = calloc(1, sizeof(*g));
	bool good = false;

	if (!g)
		config_report_add(report, path, 0, "out of memory");
	else
		g->sources = g->secret = -1;
	if (!sources || !g)
		goto out;
	g->number = from ? from->number + 1 : 1;
	g->config = config_read_here(sources, node, &g->node, report);
	if (!g->config || (from && !config_reload_allowed(from->config, g->config, report)))
		goto out;
	g->workers = from                       ? from->workers
		     : g->config->proxy.workers ? g->config->proxy.workers
						: processors();
	good = fill(g, sources, path, from, report);
out:
	if (sources)
		config_sources_free(sources);
	if (good)
		return g;
	generation_free(g);
	return NULL;
}

void generation_free(struct generation *g)
{
	if (!g)
		return;
	if (g->sources >= 0)
		close(g->sources);
	if (g->secret >= 0)
		close(g->secret);
	for (size_t i = 0; g->certificates && i < g->config->n_listens; i++)
		if (g->certificates[i] >= 0)
			close(g->certificates[i]);
	free(g->certificates);
	listeners_free(g->listeners);
	if (g->config)
		config_free(g->config);
	free(g);
}

/* The certificate of the listen of that name; -1: none. */
static int certificate_of(const struct generation *g, const char *listen)
{
	for (size_t i = 0; i < g->config->n_listens; i++)
		if (strcmp(g->config->listens[i].name, listen) == 0)
			return g->certificates[i];
	return -1;
}

/* What was changed in place, and what a running process cannot change. */
static void print_beside_the_text(const struct generation *from, const struct generation *to, FILE *out)
{
	const struct config *old = from->config, *new = to->config;

	if (!sealed_equal(from->secret, to->secret))
		fprintf(out, "cluster %s: secret_file has other contents\n", new->cluster.name);
	for (size_t i = 0; i < new->n_listens; i++) {
		int before = certificate_of(from, new->listens[i].name), after = to->certificates[i];

		if (before >= 0 && after >= 0 && !sealed_equal(before, after))
			fprintf(out, "listen %s tls: certificate has other contents\n", new->listens[i].name);
	}
	if (old->proxy.workers != new->proxy.workers || old->proxy.engine != new->proxy.engine ||
	    strcmp(old->proxy.user, new->proxy.user) != 0)
		fputs("proxy workers, engine and user: when hapair is started again\n", out);
}

char *generation_difference(const struct generation *from, const struct generation *to)
{
	char *words = config_difference(from->config, to->config), *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		return words;
	fputs(words, out);
	print_beside_the_text(from, to, out);
	free(words);
	return fclose(out) == 0 ? text : NULL;
}

static int send_listener(const struct generation *g, struct ipc *ipc, size_t listen, size_t bind,
			 unsigned worker, int fd)
{
	struct msg_listener m = {g->number, (uint32_t)listen, (uint32_t)bind, worker};

	return ipc_send(ipc, MSG_LISTENER, &m, fd);
}

static int send_to_proxy(const struct generation *g, struct ipc *ipc)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < g->config->n_listens; i++) {
		if (g->certificates[i] >= 0)
			r = ipc_send(ipc, MSG_CERTIFICATE, &(struct msg_certificate){g->number, (uint32_t)i},
				     g->certificates[i]);
		for (size_t j = 0; j < g->config->listens[i].n_binds; j++)
			for (unsigned w = 0; r == 0 && w < g->workers; w++)
				r = send_listener(g, ipc, i, j, w, listeners_socket(g->listeners, i, j, w));
	}
	return r;
}

/*
 * A key of its own for the sync channel, for each of the secret's: HMAC-SHA-256 over a label and the cluster's name. admin, which reads
 * from networks, never has the secret that signs heartbeats.
 */
static bool derive(const struct secret *secret, const char *cluster, struct msg_sync_keys *ret)
{
	char text[sizeof("hapair sync 1 ") + CONFIG_NAME_MAX];
	int n = snprintf(text, sizeof(text), "hapair sync 1 %s", cluster);
	unsigned length;

	for (size_t i = 0; i < secret->n && i < SYNC_KEYS_MAX; i++) {
		ret->keys[i].id = secret->keys[i].id;
		if (!HMAC(EVP_sha256(), secret->keys[i].bytes, SECRET_KEY_BYTES, (unsigned char *)text,
			  (size_t)n, ret->keys[i].bytes, &length))
			return false;
		ret->n++;
	}
	return true;
}

static int send_sync_keys(const struct generation *g, struct ipc *ipc)
{
	struct msg_sync_keys keys = {.generation = g->number};
	char *text = malloc(SECRET_BYTES_MAX);
	ssize_t n = text ? pread(g->secret, text, SECRET_BYTES_MAX, 0) : -1;
	struct secret secret;
	const char *why;
	unsigned line;
	int r = -EINVAL;

	if (n >= 0 && secret_parse(text, (size_t)n, &secret, &line, &why) == 0) {
		if (derive(&secret, g->config->cluster.name, &keys))
			r = ipc_send(ipc, MSG_SYNC_KEYS, &keys, -1);
		secret_forget(&secret);
	}
	if (text)
		explicit_bzero(text, SECRET_BYTES_MAX);
	free(text);
	explicit_bzero(&keys, sizeof(keys));
	return r;
}

static int send_to_admin(const struct generation *g, struct ipc *ipc)
{
	int r = g->config->n_nodes > 1 ? send_sync_keys(g, ipc) : 0;

	for (size_t i = 0; r == 0 && i < g->config->admin.n_binds; i++)
		r = send_listener(g, ipc, 0, i, 0, listeners_admin_socket(g->listeners, i));
	return r;
}

int generation_send(const struct generation *g, enum role role, struct ipc *ipc)
{
	struct msg_config m = {.generation = g->number, .worker_count = g->workers};
	int r = 0;

	if (role == ROLE_HEARTBEAT)
		r = ipc_send(ipc, MSG_SECRET, &(struct msg_secret){g->number}, g->secret);
	else if (role == ROLE_PROXY)
		r = send_to_proxy(g, ipc);
	else if (role == ROLE_ADMIN)
		r = send_to_admin(g, ipc);
	if (r < 0)
		return r;
	memcpy(m.digest, g->config->digest, sizeof(m.digest));
	return ipc_send(ipc, MSG_CONFIG, &m, g->sources);
}
