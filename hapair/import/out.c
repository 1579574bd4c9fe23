/*
 * out.c: the model's lists, and the file printed from top to bottom.
 */
#include "hapair/import/out.h"

#include "hapair/config/options.h"
#include "hapair/config/value.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void target_init(struct target *target, struct arena *arena)
{
	*target = (struct target){.arena = arena,
				  .sources = "",
				  .cluster = "imported",
				  .interval = -1,
				  .preempt = -1,
				  .active = "",
				  .passive = "",
				  .fault = ""};
}

struct target_pool *target_add_pool(struct target *target, const char *name)
{
	struct target_pool *pool = arena_alloc(target->arena, sizeof *pool), **to = &target->pools;

	*pool = (struct target_pool){.name = name,
				     .balance = "",
				     .connect_timeout = -1,
				     .response_timeout = -1,
				     .retries = -1,
				     .check_path = "",
				     .check_host = "",
				     .check_interval = -1,
				     .check_timeout = -1};
	while (*to)
		to = &(*to)->next;
	return *to = pool;
}

struct target_listen *target_add_listen(struct target *target, const char *name)
{
	struct target_listen *listen = arena_alloc(target->arena, sizeof *listen), **to = &target->listens;

	*listen = (struct target_listen){.name = name,
					 .certificate = "",
					 .min_version = "",
					 .pool = "",
					 .header_timeout = -1,
					 .idle_timeout = -1,
					 .tunnel_timeout = -1};
	while (*to)
		to = &(*to)->next;
	return *to = listen;
}

struct target_vip *target_add_vip(struct target *target, const char *address, const char *interface)
{
	struct target_vip *vip = arena_alloc(target->arena, sizeof *vip), **to = &target->vips;

	*vip = (struct target_vip){NULL, address, interface};
	while (*to)
		to = &(*to)->next;
	return *to = vip;
}

void target_drop_pool(struct target *target, const char *name)
{
	for (struct target_pool **at = &target->pools; *at; at = &(*at)->next)
		if (strcmp((*at)->name, name) == 0) {
			notes_move(&(*at)->notes, &target->left_out);
			*at = (*at)->next;
			return;
		}
}

void target_drop_listen(struct target *target, const char *name)
{
	for (struct target_listen **at = &target->listens; *at; at = &(*at)->next)
		if (strcmp((*at)->name, name) == 0) {
			notes_move(&(*at)->notes, &target->left_out);
			*at = (*at)->next;
			return;
		}
}

/* Notes. */

/* A comment is one line, whatever bytes the source had. */
static void make_one_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = ' ';
}

/* Passwords stay where they are. */
static const char *without_secret(struct arena *arena, const char *text)
{
	static const char *const before[] = {"auth_pass ", "password ", "stats auth "};

	for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
		const char *found = strstr(text, before[i]);

		if (found)
			return arena_printf(arena, "%.*s...", (int)(found - text + (long)strlen(before[i])),
					    text);
	}
	return text;
}

void note_add(struct notes *notes, struct arena *arena, const struct import_line *line, const char *why, ...)
{
	struct note *note = arena_alloc(arena, sizeof *note), **to = &notes->first;
	char reason[512], *text;
	va_list list;

	va_start(list, why);
	vsnprintf(reason, sizeof reason, why, list);
	va_end(list);
	text = arena_printf(arena, "%s:%u: %s: %s", line->file, line->number,
			    without_secret(arena, line->text), reason);
	make_one_line(text);
	note->text = text;
	note->number = line->number;
	while (*to && (*to)->number <= note->number) /* in the order of the file, whenever they were found */
		to = &(*to)->next;
	note->next = *to;
	*to = note;
}

void notes_move(struct notes *from, struct notes *to)
{
	struct note **at = &to->first;

	while (*at)
		at = &(*at)->next;
	*at = from->first;
	from->first = NULL;
}

const char *target_name(struct arena *arena, const char *text)
{
	char *name = arena_text(arena, span_of(*text ? text : "-"));

	if (strlen(name) > CONFIG_NAME_MAX)
		name[CONFIG_NAME_MAX] = '\0';
	for (char *c = name; *c; c++) {
		char one[2] = {*c, '\0'};

		if (config_name_wrong(one))
			*c = '-';
	}
	return name;
}

/* Printing. */

static void print_notes(const struct notes *notes, const char *indent, FILE *to)
{
	for (const struct note *note = notes->first; note; note = note->next)
		fprintf(to, "%s# %s\n", indent, note->text);
}

/* A word, in quotes where it needs them. */
static void print_word(const char *text, FILE *to)
{
	if (*text && !strpbrk(text, " \t{}=,#\"\\$")) {
		fputs(text, to);
		return;
	}
	fputc('"', to);
	for (; *text; text++) {
		if (strchr("\"\\$", *text))
			fputc('\\', to);
		fputc(*text, to);
	}
	fputc('"', to);
}

static void print_text(const char *key, const char *text, const char *end, FILE *to)
{
	if (!*text)
		return;
	fprintf(to, "%s = ", key);
	print_word(text, to);
	fputs(end, to);
}

static nanos within_range(enum config_block_id block, const char *key, nanos value)
{
	const struct config_option *option = config_option_find(block, key);

	return value < option->min ? option->min : value > option->max ? option->max : value;
}

/* Nothing, where the value could stay. */
static void print_changed(enum config_block_id block, const char *key, nanos value, FILE *to)
{
	char was[CONFIG_VALUE_TEXT];

	if (value >= 0 && within_range(block, key, value) != value)
		fprintf(to, "  # %s was %s, which is out of hapair's range\n", key,
			config_duration_text(value, was));
}

/* What is outside of the table's range is brought to its end; print_changed() tells. */
static void print_duration(enum config_block_id block, const char *key, nanos value, const char *end,
			   FILE *to)
{
	char text[CONFIG_VALUE_TEXT];

	if (value >= 0)
		fprintf(to, "%s = %s%s", key, config_duration_text(within_range(block, key, value), text),
			end);
}

/* On a line of its own. */
static void print_duration_line(enum config_block_id block, const char *key, nanos value, FILE *to)
{
	print_changed(block, key, value, to);
	if (value >= 0)
		fputs("  ", to);
	print_duration(block, key, value, "\n", to);
}

static void print_pair(const struct target *t, FILE *to)
{
	fprintf(to, "cluster %s {\n", t->cluster);
	print_notes(&t->pair, "  ", to);
	fputs("  secret_file = /etc/hapair/secret.key   # hapair keygen /etc/hapair/secret.key; the same on "
	      "both nodes\n",
	      to);
	if (t->interval >= 0) {
		print_duration_line(BLOCK_CLUSTER, "interval", t->interval, to);
		fputs("  dead_after = 3\n", to);
	}
	if (t->preempt >= 0)
		fprintf(to, "  preempt = %s\n", t->preempt ? "on" : "off");
	fputs("}\n", to);
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct target_node *node = &t->nodes[i];

		fprintf(to, "node %s {", node->name);
		for (size_t j = 0; j < node->n_links; j++)
			fprintf(to, "%s%s%s", j ? ", " : " link = { ", node->links[j],
				j + 1 == node->n_links ? " } " : "");
		fprintf(to, " priority = %u }\n", node->priority);
	}
	if (t->n_nodes == 1)
		fputs("# node NAME { link = { ADDRESS:7946 } }   # the other node, and a link for this one: "
		      "hapair import --node\n",
		      to);
	for (const struct target_vip *vip = t->vips; vip; vip = vip->next) {
		fprintf(to, "vip %s { ", vip->address);
		print_text("interface", vip->interface, " ", to);
		fputs("}\n", to);
	}
}

static void print_check(const struct target_pool *p, FILE *to)
{
	static const nanos standby = SECONDS(15); /* the default, which may not be shorter than interval */

	if (p->check == CHECK_NONE)
		return;
	print_changed(BLOCK_CHECK, "interval", p->check_interval, to);
	print_changed(BLOCK_CHECK, "timeout", p->check_timeout, to);
	fprintf(to, "  check %s { ", p->check == CHECK_HTTP ? "http" : "tcp");
	print_text("path", p->check_path, "  ", to);
	print_text("host", p->check_host, "  ", to);
	if (p->check_expect)
		fprintf(to, "expect = %u  ", p->check_expect);
	if (p->check_port)
		fprintf(to, "port = %u  ", p->check_port);
	print_duration(BLOCK_CHECK, "interval", p->check_interval, "  ", to);
	if (p->check_interval > standby)
		print_duration(BLOCK_CHECK, "standby_interval", p->check_interval, "  ", to);
	print_duration(BLOCK_CHECK, "timeout", p->check_timeout, "  ", to);
	fprintf(to, "fall = %u  rise = %u }\n", p->check_fall, p->check_rise);
}

static void print_pool(const struct target_pool *p, FILE *to)
{
	fprintf(to, "\npool %s {\n", p->name);
	print_notes(&p->notes, "  ", to);
	if (*p->balance)
		fprintf(to, "  balance = %s\n", p->balance);
	print_duration_line(BLOCK_POOL, "connect_timeout", p->connect_timeout, to);
	print_duration_line(BLOCK_POOL, "response_timeout", p->response_timeout, to);
	if (p->retries >= 0)
		fprintf(to, "  retries = %d\n", p->retries > 10 ? 10 : p->retries);
	print_check(p, to);
	for (const struct target_server *s = p->servers; s; s = s->next) {
		char address[ADDR_TEXT_MAX];

		fprintf(to, "  server %s { address = %s", s->name, addr_format(&s->address, address));
		if (s->weight != 1)
			fprintf(to, "  weight = %u", s->weight);
		if (s->max_connections)
			fprintf(to, "  max_connections = %u", s->max_connections);
		fputs(" }\n", to);
	}
	fputs("}\n", to);
}

static void print_routes(const struct target_listen *l, FILE *to)
{
	if (l->routes)
		fputs("  # The closest host wins, then the longest path, whatever the order; hosts without "
		      "case and port, paths decoded.\n",
		      to);
	for (const struct target_route *r = l->routes; r; r = r->next) {
		fputs("  route { ", to);
		print_text("host", r->host, "  ", to);
		print_text("path", r->path, "  ", to);
		fprintf(to, "pool = %s }%s\n", r->pool,
			r->derived ? "   # both match; the first rule has it" : "");
	}
}

static void print_listen(const struct target_listen *l, FILE *to)
{
	char address[ADDR_TEXT_MAX];

	fprintf(to, "\nlisten %s {\n", l->name);
	print_notes(&l->notes, "  ", to);
	fputs("  bind = { ", to);
	for (size_t i = 0; i < l->n_binds; i++)
		fprintf(to, "%s%s%s", i ? ", " : "", addr_format(&l->binds[i].address, address),
			l->binds[i].tls ? " tls" : "");
	fputs(" }\n", to);
	if (l->tcp)
		fputs("  mode = tcp\n", to);
	if (*l->certificate) {
		fputs("  tls { ", to);
		print_text("certificate", l->certificate, " ", to);
		print_text(" min_version", l->min_version, " ", to);
		fputs("}\n", to);
	}
	static const char *const keys[] = {"header_timeout", "idle_timeout", "tunnel_timeout"};
	const nanos timeouts[] = {l->header_timeout, l->idle_timeout, l->tunnel_timeout};
	for (size_t i = 0; i < 3; i++)
		print_duration_line(BLOCK_LISTEN, keys[i], timeouts[i], to);
	print_routes(l, to);
	if (*l->pool)
		fprintf(to, "  pool = %s\n", l->pool);
	fputs("}\n", to);
}

static void print_rest(const struct target *t, FILE *to)
{
	fputs("\nproxy {\n", to);
	print_notes(&t->proxy, "  ", to);
	if (t->workers)
		fprintf(to, "  workers = %u\n", t->workers);
	fputs("  user = hapair\n}\nadmin { bind = { 127.0.0.1:9600 } }   # status page and /metrics\n", to);
	if (*t->active || *t->passive || *t->fault) {
		fputs("notify { ", to);
		print_text("active", t->active, "  ", to);
		print_text("passive", t->passive, "  ", to);
		print_text("fault", t->fault, "  ", to);
		fputs("}   # as user hapair; HAPAIR_EVENT, HAPAIR_NODE and more in their environment\n", to);
	}
	if (t->left_out.first)
		fputs("\n# Nothing is left of these:\n", to);
	print_notes(&t->left_out, "", to);
}

void target_print(const struct target *t, FILE *to)
{
	fprintf(to,
		"# hapair, from %s. What could not be translated, or means something else here, stands as\n"
		"# FILE:LINE: TEXT: WHY in the block to which it belongs.\n",
		t->sources);
	print_notes(&t->general, "", to);
	fputs("\n", to);
	print_pair(t, to);
	for (const struct target_pool *p = t->pools; p; p = p->next)
		print_pool(p, to);
	for (const struct target_listen *l = t->listens; l; l = l->next)
		print_listen(l, to);
	print_rest(t, to);
}
