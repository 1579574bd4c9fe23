/*
 * machine.c: what only this machine can tell about a configuration: which node it is, and whether the interfaces, files
 * and users that are named exist and are fit for their use.
 *
 * Reads, changes nothing. Every message stands at the option that names the thing.
 */
#include "hapair/config/config.h"

#include "hapair/base/secret.h"
#include "hapair/config/build.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <ifaddrs.h>
#include <limits.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <netlink/cache.h>
#include <netlink/route/addr.h>
#include <netlink/socket.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SECRET_FILE_MAX      65536
#define CERTIFICATE_FILE_MAX (1024 * 1024)

struct machine {
	const struct config *config;
	size_t node;
	struct config_report *report;
	struct ifaddrs *addresses;
};

/* Where to report about a key. */
struct place {
	const char *file;
	unsigned line;
};

static struct place place_of(const struct config *config, const char *kind, size_t index, const char *key)
{
	struct place place;

	config_where_key(config, kind, index, key, &place.file, &place.line);
	return place;
}

#define REPORT(m, place, ...) config_report_add((m)->report, (place).file, (place).line, __VA_ARGS__)

/* Which node is this? */

static bool is_local(const struct ifaddrs *addresses, const struct ip *ip)
{
	struct addr own;

	for (const struct ifaddrs *a = addresses; a; a = a->ifa_next)
		if (a->ifa_addr && addr_from_sockaddr(a->ifa_addr, &own) == 0 && ip_equal(&own.ip, ip))
			return true;
	return false;
}

static int find_by_name(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_nodes; i++)
		if (*config->nodes[i].name && strcasecmp(config->nodes[i].name, name) == 0)
			return (int)i;
	return -ENOENT;
}

/* By the host name, in full or up to its first dot. */
static int find_by_host(const struct config *config, const char *host)
{
	char first[HOST_NAME_MAX + 1];
	int node = find_by_name(config, host);

	snprintf(first, sizeof first, "%s", host);
	first[strcspn(first, ".")] = '\0';
	return node >= 0 ? node : find_by_name(config, first);
}

/* -ENOENT: none; -ENOTUNIQ: both, as when two nodes are tried out on one machine. */
static int find_by_link(const struct config *config)
{
	struct ifaddrs *addresses = NULL;
	int found = -ENOENT;

	if (getifaddrs(&addresses) < 0)
		return -errno;
	for (size_t i = 0; i < config->n_nodes; i++) {
		bool here = false;
		for (size_t j = 0; j < config->nodes[i].n_links; j++)
			here |= is_local(addresses, &config->nodes[i].links[j].ip);
		if (here)
			found = found == -ENOENT ? (int)i : -ENOTUNIQ;
	}
	freeifaddrs(addresses);
	return found;
}

/* "alpha, beta", in the order of the model */
static const char *node_names(const struct config *config, char out[160])
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < config->n_nodes && i < 2; i++)
		n += (size_t)snprintf(out + n, 160 - n, "%s%s", i ? ", " : "", config->nodes[i].name);
	return out;
}

int config_find_node(const struct config *config, const char *name, struct config_report *report)
{
	struct place place = place_of(config, "node", 0, "");
	char host[HOST_NAME_MAX + 1] = "", names[160];
	int node;

	if (name && *name) {
		struct config_guess guess = {.word = name};
		char did_you_mean[CONFIG_GUESS_MAX];
		node = find_by_name(config, name);
		for (size_t i = 0; i < config->n_nodes && node < 0; i++)
			config_guess_offer(&guess, config->nodes[i].name);
		if (node < 0)
			config_report_add(report, config_memory_of(config)->main_file, 0,
					  "there is no node %.64s, only %s%s", name,
					  node_names(config, names), config_guess_text(&guess, did_you_mean));
		return node;
	}
	if (gethostname(host, sizeof host - 1) == 0 && *host) {
		node = find_by_host(config, host);
		if (node >= 0)
			return node;
	}
	node = find_by_link(config);
	if (node == -ENOTUNIQ)
		config_report_add(
			report, place.file, place.line,
			"the link addresses of both nodes are on this machine; say which one it is with -n");
	else if (node < 0)
		config_report_add(report, place.file, place.line,
				  "this machine is none of the nodes %s: its host name is %s and it has none "
				  "of their link addresses; "
				  "say which one it is with -n",
				  node_names(config, names), host);
	return node;
}

/* Interfaces. */

/* The interfaces with an address in whose subnet the VIP lies, once each; returns how many, at most 2 are named. */
static size_t find_subnet(const struct machine *m, const struct config_vip *vip, const char *names[2])
{
	size_t n = 0;

	for (const struct ifaddrs *a = m->addresses; a; a = a->ifa_next) {
		struct addr own, mask;
		uint8_t length = 0;
		if (!a->ifa_addr || !a->ifa_netmask || addr_from_sockaddr(a->ifa_addr, &own) < 0 ||
		    addr_from_sockaddr(a->ifa_netmask, &mask) < 0)
			continue;
		for (size_t i = 0; i < 16 && mask.ip.bytes[i]; i++)
			length += (uint8_t)__builtin_popcount(mask.ip.bytes[i]);
		/* The VIP itself may still be there from an earlier life, with a length of its own. */
		if (ip_equal(&own.ip, &vip->ip) || !ip_in_prefix(&vip->ip, &own.ip, length))
			continue;
		bool seen = (n > 0 && strcmp(names[0], a->ifa_name) == 0) ||
			    (n > 1 && strcmp(names[1], a->ifa_name) == 0);
		if (!seen && n < 2)
			names[n] = a->ifa_name;
		n += !seen;
	}
	return n;
}

struct own {
	const struct ip *ip;
	bool found;
};

static void note_own(struct nl_object *object, void *ctx)
{
	struct rtnl_addr *addr = (struct rtnl_addr *)object;
	const struct nl_addr *local = rtnl_addr_get_local(addr);
	struct own *own = ctx;

	if (local && (rtnl_addr_get_flags(addr) & IFA_F_PERMANENT) &&
	    nl_addr_get_family(local) == own->ip->family &&
	    memcmp(nl_addr_get_binary_addr(local), own->ip->bytes, nl_addr_get_len(local)) == 0)
		own->found = true;
}

/*
 * Whether this machine has the address for good: then it is the machine's own, and a claim would give it a short life and a stop
 * remove it. What hapair adds always has a lifetime.
 */
static bool is_own(const struct ip *ip)
{
	struct own own = {.ip = ip};
	struct nl_sock *socket = nl_socket_alloc();
	struct nl_cache *addresses = NULL;

	if (socket && nl_connect(socket, NETLINK_ROUTE) == 0 &&
	    rtnl_addr_alloc_cache(socket, &addresses) == 0)
		nl_cache_foreach(addresses, note_own, &own);
	if (addresses)
		nl_cache_free(addresses);
	nl_socket_free(socket);
	return own.found;
}

static void check_vip(const struct machine *m, size_t index)
{
	const struct config_vip *vip = &m->config->vips[index];
	struct place place = place_of(m->config, "vip", index, "");
	const char *names[2];
	char text[IP_TEXT_MAX];

	if (vip->ip.family == AF_UNSPEC)
		return;
	if (is_own(&vip->ip))
		REPORT(m, place,
		       "vip %s/%u: this machine has the address for good; a VIP is for hapair alone to set "
		       "and to remove",
		       ip_format(&vip->ip, text), vip->prefix_len);
	if (config_key_of(m->config, BLOCK_NODE, m->node, "interface"))
		return; /* overrides what is said here */
	if (*vip->interface) {
		place = place_of(m->config, "vip", index, "interface");
		if (if_nametoindex(vip->interface) == 0)
			REPORT(m, place, "interface = %s: there is no such interface on this machine",
			       vip->interface);
		return;
	}
	size_t n = find_subnet(m, vip, names);
	ip_format(&vip->ip, text);
	if (n == 0)
		REPORT(m, place,
		       "vip %s/%u: no interface of this machine has that subnet; name one with interface = "
		       "...",
		       text, vip->prefix_len);
	else if (n > 1)
		REPORT(m, place, "vip %s/%u: %s and %s both have that subnet; name one with interface = ...",
		       text, vip->prefix_len, names[0], names[1]);
}

static void check_interfaces(const struct machine *m)
{
	const char *interface = m->config->nodes[m->node].interface;

	for (size_t i = 0; i < m->config->n_vips; i++)
		check_vip(m, i);
	if (*interface && if_nametoindex(interface) == 0) {
		REPORT(m, place_of(m->config, "node", m->node, "interface"),
		       "interface = %s: there is no such interface on this machine", interface);
	}
}

/* Files. */

/* Opens a regular file for reading; a mistake is reported, then -1. */
static int open_file(const struct machine *m, struct place place, const char *key, const char *path,
		     struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0 || fstat(fd, st) < 0) {
		REPORT(m, place, "%s = %.256s: %s", key, path, strerror(errno));
	} else if (!S_ISREG(st->st_mode)) {
		REPORT(m, place, "%s = %.256s: not a regular file", key, path);
	} else {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The whole of it, malloc'd; NULL after a report. */
static char *read_file(const struct machine *m, struct place place, const char *key, const char *path, int fd,
		       size_t max, size_t *ret_n)
{
	char *bytes = malloc(max + 1);
	size_t n = 0;

	if (!bytes)
		abort();
	while (n <= max) {
		ssize_t got = read(fd, bytes + n, max + 1 - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			REPORT(m, place, "%s = %.256s: %s", key, path, strerror(errno));
			free(bytes);
			return NULL;
		}
		if (got == 0)
			break;
		n += (size_t)got;
	}
	if (n > max) {
		REPORT(m, place, "%s = %.256s: larger than %zu bytes", key, path, max);
		free(bytes);
		return NULL;
	}
	*ret_n = n;
	return bytes;
}

static void check_secret_text(const struct machine *m, struct place place, const char *path, int fd)
{
	struct secret secret;
	unsigned line;
	const char *why;
	size_t n;
	char *text = read_file(m, place, "secret_file", path, fd, SECRET_FILE_MAX, &n);

	if (!text)
		return;
	if (secret_parse(text, n, &secret, &line, &why) == 0)
		secret_forget(&secret);
	else if (line)
		REPORT(m, place, "secret_file = %.256s: line %u: %s", path, line, why);
	else
		REPORT(m, place, "secret_file = %.256s: %s", path, why);
	explicit_bzero(text, n);
	free(text);
}

static void check_secret(const struct machine *m)
{
	const char *path = m->config->cluster.secret_file;
	struct place place = place_of(m->config, "cluster", 0, "secret_file");
	struct stat st;

	if (!*path)
		return;
	int fd = open_file(m, place, "secret_file", path, &st);
	if (fd < 0)
		return;
	if (st.st_mode & 077)
		REPORT(m, place,
		       "secret_file = %.256s: mode %04o lets others in; chmod 0600 it, and make a new secret "
		       "if others were there",
		       path, st.st_mode & 07777);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		REPORT(m, place, "secret_file = %.256s: it belongs to user %u, not to root", path, st.st_uid);
	check_secret_text(m, place, path, fd);
	close(fd);
}

/* Of hooks: somebody must be allowed to run it. */
static void check_program(const struct machine *m, const char *key, const char *path)
{
	struct place place = place_of(m->config, "notify", 0, key);
	struct stat st;

	if (!*path)
		return;
	if (stat(path, &st) < 0)
		REPORT(m, place, "%s = %.256s: %s", key, path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		REPORT(m, place, "%s = %.256s: not a regular file", key, path);
	else if (!(st.st_mode & 0111))
		REPORT(m, place, "%s = %.256s: not executable; chmod +x it", key, path);
}

/*
 * Whether `user`, with all its groups, may do that with `path`; as anybody but root we cannot tell, and say yes. For a moment this
 * process looks at files with that user's eyes (setfsuid(2): it also loses root's rights over files, until it is put back).
 */
static bool user_may(const char *user, const char *path, int mode)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam(user) : NULL;
	static gid_t groups[NGROUPS_MAX + 1];
	int n = getgroups(NGROUPS_MAX, groups);
	bool may;

	if (!pw || pw->pw_uid == 0 || n < 0 || initgroups(pw->pw_name, pw->pw_gid) < 0)
		return true;
	setfsgid(pw->pw_gid);
	setfsuid(pw->pw_uid);
	may = faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0 || errno != EACCES;
	setfsuid(0);
	setfsgid(getegid());
	if (setgroups((size_t)n, groups) < 0)
		abort();
	return may;
}

static void check_log(const struct machine *m)
{
	const char *path = m->config->proxy.access_log, *user = m->config->proxy.user;
	struct place place = place_of(m->config, "proxy", 0, "access_log");
	struct stat st, file;

	if (*path != '/')
		return;
	const char *slash = strrchr(path, '/');
	char *directory = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (!directory)
		abort();
	bool there = stat(path, &file) == 0;
	if (stat(directory, &st) < 0)
		REPORT(m, place, "access_log = %.256s: %.256s: %s", path, directory, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		REPORT(m, place, "access_log = %.256s: %.256s is not a directory", path, directory);
	else if (there && S_ISDIR(file.st_mode))
		REPORT(m, place, "access_log = %.256s: this is a directory", path);
	else if (there && !user_may(user, path, W_OK))
		REPORT(m, place, "access_log = %.256s: user %s may not write to it", path, user);
	else if (!there && !user_may(user, directory, W_OK | X_OK))
		REPORT(m, place, "access_log = %.256s: user %s may not make files in %.256s", path, user,
		       directory);
	free(directory);
}

static void check_user(const struct machine *m, const char *kind, const char *user)
{
	struct place place = place_of(m->config, kind, 0, "user");

	if (*user && !getpwnam(user))
		REPORT(m, place,
		       "user = %s: there is no such user on this machine; "
		       "useradd --system --user-group --no-create-home %s makes it",
		       user, user);
}

static void check_notify(const struct machine *m)
{
	const struct config *config = m->config;

	check_program(m, "active", config->notify.active);
	check_program(m, "passive", config->notify.passive);
	check_program(m, "fault", config->notify.fault);
	check_program(m, "server_down", config->notify.server_down);
	check_program(m, "server_up", config->notify.server_up);
	if (*config->notify.active || *config->notify.passive || *config->notify.fault ||
	    *config->notify.server_down || *config->notify.server_up)
		check_user(m, "notify", config->notify.user);
}

/* Certificates. */

/* Nobody is there to type a passphrase. */
static int no_passphrase(char *buffer, int size, int writing, void *ctx)
{
	*(bool *)ctx = true;
	return -1;
}

static const char *openssl_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	return reason ? reason : "unknown";
}

static void time_text(const ASN1_TIME *time, char out[32])
{
	struct tm tm = {0};

	if (ASN1_TIME_to_tm(time, &tm) != 1 || strftime(out, 32, "%Y-%m-%d %H:%M UTC", &tm) == 0)
		memcpy(out, "?", 2);
}

/* All that is wrong with a file as the proxy will load it. */
static void check_pem(const struct machine *m, struct place place, const char *path, BIO *bio)
{
	bool encrypted = false;
	char when[32];

	ERR_clear_error();
	X509 *certificate = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, &encrypted);
	(void)BIO_reset(bio);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &encrypted);
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

	if (!tls)
		abort();
	if (!certificate)
		REPORT(m, place, "certificate = %.256s: no certificate in it", path);
	if (!key && encrypted)
		REPORT(m, place,
		       "certificate = %.256s: its key is encrypted; openssl pkey writes it without a "
		       "passphrase",
		       path);
	else if (!key)
		REPORT(m, place, "certificate = %.256s: no private key in it", path);
	if (certificate && SSL_CTX_use_certificate(tls, certificate) != 1) {
		REPORT(m, place, "certificate = %.256s: refused by OpenSSL: %s", path, openssl_reason());
	} else if (certificate && key && X509_check_private_key(certificate, key) != 1) {
		REPORT(m, place, "certificate = %.256s: the key does not belong to the first certificate",
		       path);
	} else if (key && SSL_CTX_use_PrivateKey(tls, key) != 1) {
		REPORT(m, place, "certificate = %.256s: its key is refused by OpenSSL: %s", path,
		       openssl_reason());
	}
	if (certificate && X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
		time_text(X509_get0_notAfter(certificate), when);
		REPORT(m, place, "certificate = %.256s: expired on %s", path, when);
	} else if (certificate && X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) {
		time_text(X509_get0_notBefore(certificate), when);
		REPORT(m, place, "certificate = %.256s: not valid before %s", path, when);
	}
	SSL_CTX_free(tls);
	EVP_PKEY_free(key);
	X509_free(certificate);
	ERR_clear_error();
}

static struct place certificate_place(const struct machine *m, size_t index)
{
	const struct config_item *listen = config_item_of(m->config, BLOCK_LISTEN, index);
	const struct config_item *tls = config_tree_key(listen, "tls");
	const struct config_item *key = tls ? config_tree_key(tls, "certificate") : NULL;
	const struct config_word *word = key ? &key->words[0] : &listen->words[0];

	return (struct place){word->file, word->line};
}

static void check_certificate(const struct machine *m, size_t index)
{
	const char *path = m->config->listens[index].certificate;
	struct stat st;
	size_t n;

	if (!*path)
		return;
	struct place place = certificate_place(m, index);
	int fd = open_file(m, place, "certificate", path, &st);
	if (fd < 0)
		return;
	char *text = read_file(m, place, "certificate", path, fd, CERTIFICATE_FILE_MAX, &n);
	close(fd);
	if (!text)
		return;
	BIO *bio = BIO_new_mem_buf(text, (int)n);
	if (!bio)
		abort();
	check_pem(m, place, path, bio);
	BIO_free(bio);
	explicit_bzero(text, n);
	free(text);
}

void config_check_machine(const struct config *config, size_t node, struct config_report *report)
{
	struct machine m = {.config = config, .node = node, .report = report};

	if (getifaddrs(&m.addresses) < 0)
		m.addresses = NULL;
	check_interfaces(&m);
	freeifaddrs(m.addresses);
	check_secret(&m);
	for (size_t i = 0; i < config->n_listens; i++)
		check_certificate(&m, i);
	check_user(&m, "proxy", config->proxy.user);
	check_log(&m);
	check_notify(&m);
}
