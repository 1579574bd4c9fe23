/*
 * route.c: one sorted array of (kind of host, host, path). The last entry that is not greater than what is
 * asked for either has the longest matching prefix or leads to it along `shorter`, because all strings
 * between a prefix of a path and the path begin with that prefix.
 */
#include "proxy/route.h"

#define ROUTE_PATH_MAX 8192 /* the parser's own limit of a target */

enum host_kind { HOST_EXACT, HOST_WILD, HOST_ANY };

struct route_key {
	enum host_kind kind;
	struct span host, path;
};

static int compare_bytes(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int r = n ? memcmp(a.p, b.p, n) : 0;

	return r ? r : (a.n > b.n) - (a.n < b.n);
}

static int compare_hosts(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int r = n ? strncasecmp(a.p, b.p, n) : 0;

	return r ? r : (a.n > b.n) - (a.n < b.n);
}

static int compare_group(const struct route_entry *e, enum host_kind kind, struct span host)
{
	return e->kind != kind ? (int)e->kind - (int)kind : compare_hosts(e->host, host);
}

static int compare(const struct route_entry *e, const struct route_key *key)
{
	int r = compare_group(e, key->kind, key->host);

	return r ? r : compare_bytes(e->path, key->path);
}

static bool sorts_before(const struct route_entry *a, const struct route_entry *b)
{
	struct route_key key = {b->kind, b->host, b->path};
	int r = compare(a, &key);

	return r ? r < 0 : a->order < b->order;
}

/* Without qsort(), which may allocate: shell sort with Knuth's gaps. */
static void sort(struct route_entry *e, uint32_t n)
{
	uint32_t gap = 1;

	while (gap < n / 3)
		gap = gap * 3 + 1;
	for (; gap > 0; gap /= 3)
		for (uint32_t i = gap; i < n; i++) {
			struct route_entry moving = e[i];
			uint32_t j = i;

			for (; j >= gap && sorts_before(&moving, &e[j - gap]); j -= gap)
				e[j] = e[j - gap];
			e[j] = moving;
		}
}

static struct span host_without_dot(struct span host)
{
	if (host.n > 1 && host.p[host.n - 1] == '.')
		host.n--;
	return host;
}

/* `host[:port]`, the port and a final dot taken off. */
static struct span host_only(struct span host)
{
	for (size_t i = host.n; i-- > 0 && host.p[i] != ']';)
		if (host.p[i] == ':') {
			host.n = i;
			break;
		}
	return host_without_dot(host);
}

static uint32_t count_dots(struct span s)
{
	uint32_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '.';
	return n;
}

static struct route_entry entry_of(const struct config_route *route, uint32_t order)
{
	struct span host = host_without_dot(span_of(route->host));
	struct route_entry e = {.path = span_of(route->path), .pool = route->pool, .order = order};

	if (host.n == 0) {
		e.kind = HOST_ANY;
		e.host = SPAN("");
	} else if (host.n > 2 && host.p[0] == '*' && host.p[1] == '.') {
		e.kind = HOST_WILD;
		e.host = (struct span){host.p + 1, host.n - 1};
	} else {
		e.kind = HOST_EXACT;
		e.host = host;
	}
	return e;
}

static bool same_group(const struct route_entry *a, const struct route_entry *b)
{
	return compare_group(a, b->kind, b->host) == 0;
}

void route_table_init(struct route_table *t, struct route_entry *storage, const struct config_listen *listen)
{
	uint32_t n = 0;

	*t = (struct route_table){.entries = storage, .fallback = listen->pool};
	for (size_t i = 0; i < listen->n_routes; i++) {
		storage[i] = entry_of(&listen->routes[i], (uint32_t)i);
		t->has_paths |= storage[i].path.n > 0;
		if (storage[i].kind == HOST_WILD && count_dots(storage[i].host) > t->labels)
			t->labels = count_dots(storage[i].host);
	}
	sort(storage, (uint32_t)listen->n_routes);
	for (uint32_t i = 0; i < listen->n_routes; i++) {
		struct route_entry e = storage[i];
		uint32_t shorter = n ? n - 1 : ROUTE_NO_ENTRY;

		if (n && same_group(&storage[n - 1], &e) && span_equal(storage[n - 1].path, e.path))
			continue; /* the first in the file stays */
		if (n && !same_group(&storage[n - 1], &e))
			shorter = ROUTE_NO_ENTRY;
		while (shorter != ROUTE_NO_ENTRY && !span_starts(e.path, storage[shorter].path))
			shorter = storage[shorter].shorter;
		e.shorter = shorter;
		storage[n++] = e;
	}
	t->n = n;
}

static const struct route_entry *find_in_group(const struct route_table *t, enum host_kind kind,
					       struct span host, struct span path)
{
	struct route_key key = {kind, host, path};
	uint32_t low = 0, high = t->n, i;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (compare(&t->entries[middle], &key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || compare_group(&t->entries[low - 1], kind, host) != 0)
		return NULL;
	for (i = low - 1; i != ROUTE_NO_ENTRY; i = t->entries[i].shorter)
		if (span_starts(path, t->entries[i].path))
			return &t->entries[i];
	return NULL;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_dots(const char *p, size_t n)
{
	return (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.');
}

/* Stands for an encoded slash: it is no slash, and no route has it. A NUL cannot come from anywhere else. */
#define ENCODED_SLASH '\0'

/*
 * A decoded segment in which some server may see a dot segment that others do not: `..;x`, `..%2Fx`,
 * `..\x`.
 */
static bool is_ambiguous(const char *p, size_t n)
{
	size_t from = 0, plain = 0; /* `plain`: bytes of the piece before its `;` */
	bool divided = false, parameters = false;

	for (size_t i = 0; i <= n; i++) {
		if (i < n && p[i] != '\\' && p[i] != ENCODED_SLASH) {
			parameters |= p[i] == ';';
			plain += !parameters;
			continue;
		}
		divided |= i < n;
		if (is_dots(p + from, plain) && (divided || parameters))
			return true;
		from = i + 1;
		plain = 0;
		parameters = false;
	}
	return false;
}

/* Decodes p..end, one segment, to `out`. Its length, or -1. */
static int decode_segment(const char *p, const char *end, char *out)
{
	int n = 0;

	while (p < end) {
		int high, low;
		char c = *p++;

		if (c != '%') {
			out[n++] = c;
			continue;
		}
		if (end - p < 2 || (high = hex(p[0])) < 0 || (low = hex(p[1])) < 0)
			return -1;
		p += 2;
		c = (char)(high << 4 | low);
		if (c == 0)
			return -1;
		out[n++] = c == '/' ? ENCODED_SLASH : c;
	}
	return n;
}

/* The path as a server understands it, in `out`, which is as large as the path. Its length, or -1 where
 * servers differ. */
static int normalise(struct span path, char *out)
{
	const char *p = path.p, *end = path.p + path.n;
	int n = 1;

	out[0] = '/';
	while (p < end) {
		const char *from = ++p; /* behind the slash */
		int segment;

		while (p < end && *p != '/')
			p++;
		segment = decode_segment(from, p, out + n);
		if (segment < 0 || is_ambiguous(out + n, (size_t)segment))
			return -1;
		if (segment == 2 && is_dots(out + n, 2)) {
			if (n == 1)
				return -1;
			do
				n--;
			while (out[n - 1] != '/');
		} else if (segment > 0 && !is_dots(out + n, (size_t)segment)) {
			n += segment;
			if (p < end)
				out[n++] = '/';
		}
	}
	return n;
}

/* Most paths are normal: no escape, no backslash, no empty segment, none that begins with a dot. */
static bool is_normal(struct span path)
{
	if (path.p[0] != '/')
		return false;
	for (size_t i = 0; i < path.n; i++) {
		char c = path.p[i];

		if (c == '%' || c == '\\')
			return false;
		if (c == '/' && i + 1 < path.n && (path.p[i + 1] == '/' || path.p[i + 1] == '.'))
			return false;
	}
	return true;
}

static const struct route_entry *find(const struct route_table *t, struct span host, struct span path)
{
	const struct route_entry *e = host.n ? find_in_group(t, HOST_EXACT, host, path) : NULL;
	uint32_t dots = t->labels ? count_dots(host) : 0;

	/* Suffixes from the longest: ".b.example.com" of "a.b.example.com". A longer one than any wild host
	 * has need not be looked for. */
	for (size_t i = 0; !e && dots > 0 && i < host.n; i++)
		if (host.p[i] == '.' && dots-- <= t->labels)
			e = find_in_group(t, HOST_WILD, (struct span){host.p + i, host.n - i}, path);
	return e ? e : find_in_group(t, HOST_ANY, SPAN(""), path);
}

enum route_result route_find(const struct route_table *t, struct span host, struct span path,
			     size_t *ret_pool)
{
	const struct route_entry *e = NULL;
	char normal[ROUTE_PATH_MAX];

	if (path.n == 0)
		path = SPAN("/");
	if (t->has_paths && !is_normal(path)) {
		int n = path.p[0] == '/' && path.n <= sizeof normal ? normalise(path, normal) : -1;

		if (n < 0)
			return ROUTE_BAD_PATH;
		path = (struct span){normal, (size_t)n};
	}
	if (t->n > 0)
		e = find(t, host_only(host), path);
	if (!e && t->fallback == CONFIG_NO_POOL)
		return ROUTE_NONE;
	*ret_pool = e ? e->pool : t->fallback;
	return ROUTE_FOUND;
}
