/*
 * channel.c: see channel.h.
 *
 *   connects:  pause --> connecting (one link, one key) --TLS--> greeting --hello--> up --silence, error--> pause
 *   accepts:   guest --TLS--> greeting --hello--> up, in the place of an older one
 *
 * One struct line is one TCP connection. There is at most one that is up (channel->line), and up to CHANNEL_GUESTS that are not yet.
 */
#include "hapair/sync/channel.h"

#include "hapair/base/list.h"
#include "hapair/base/log.h"
#include "hapair/base/timer.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PRIORITY     2 /* after the channels between the roles */
#define PAUSE_FIRST  MS(50)
#define PAUSE_MAX    MS(500)
#define HELLO        "hello"
#define SPEAKS       1 /* version of the words */
#define IDENTITY_MAX 32
#define CIPHERS      "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256" /* the hash of a bare key is SHA-256 */

struct line {
	struct list in_guests; /* while it is not up */
	struct channel *channel;
	struct bufferevent *bev;
	struct event *limit; /* of the greeting */
	size_t link, key;
	bool secured, up;
};

struct channel {
	struct event_base *base;
	const struct channel_handler *handler;
	void *ctx;
	char cluster[CONFIG_NAME_MAX + 1], self[CONFIG_NAME_MAX + 1], peer[CONFIG_NAME_MAX + 1];
	struct addr locals[CONFIG_LINKS_MAX], remotes[CONFIG_LINKS_MAX];
	size_t n_links;
	bool connects;
	SSL_CTX *tls;
	struct msg_sync_keys keys;
	struct evconnlistener *listeners[CONFIG_LINKS_MAX];
	struct event *again, *turn;
	nanos pause;
	size_t next_link, next_key;
	struct list guests;
	size_t n_guests;
	struct line *line; /* up; NULL: none */
	struct channel_status status;
};

/* Keys */

static void identity_of(uint32_t id, char out[IDENTITY_MAX])
{
	snprintf(out, IDENTITY_MAX, "hapair-%u", id);
}

static unsigned give_key(const struct channel *channel, size_t i, unsigned char *psk, unsigned max)
{
	if (i >= channel->keys.n || max < SYNC_KEY_BYTES)
		return 0;
	memcpy(psk, channel->keys.keys[i].bytes, SYNC_KEY_BYTES);
	return SYNC_KEY_BYTES;
}

static unsigned on_client_key(SSL *ssl, const char *hint, char *identity, unsigned identity_max,
			      unsigned char *psk, unsigned psk_max)
{
	const struct line *line = SSL_get_app_data(ssl);
	const struct channel *channel = line->channel;
	char text[IDENTITY_MAX];

	if (line->key >= channel->keys.n)
		return 0;
	identity_of(channel->keys.keys[line->key].id, text);
	if (strlen(text) + 1 > identity_max)
		return 0;
	strcpy(identity, text);
	return give_key(channel, line->key, psk, psk_max);
}

static unsigned on_server_key(SSL *ssl, const char *identity, unsigned char *psk, unsigned psk_max)
{
	const struct line *line = SSL_get_app_data(ssl);
	const struct channel *channel = line->channel;
	char text[IDENTITY_MAX];

	for (size_t i = 0; i < channel->keys.n; i++) {
		identity_of(channel->keys.keys[i].id, text);
		if (strcmp(identity, text) == 0)
			return give_key(channel, i, psk, psk_max);
	}
	return 0;
}

/* Without a certificate on either side, the key is the only way to a handshake; who connects also insists on it. */
static SSL_CTX *tls_new(void)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_method());

	if (!tls || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(tls, CIPHERS) != 1) {
		SSL_CTX_free(tls);
		return NULL;
	}
	SSL_CTX_set_num_tickets(tls, 0);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_psk_client_callback(tls, on_client_key);
	SSL_CTX_set_psk_server_callback(tls, on_server_key);
	return tls;
}

/* Timers */

/* What went wrong is logged when it is something new. */
static void trouble(struct channel *channel, const char *text)
{
	if (strcmp(channel->status.trouble, text) == 0)
		return;
	MSG_TEXT(channel->status.trouble, text);
	log_info("sync: %s", text);
}

/* Lines */

static void line_free(struct line *line)
{
	struct channel *channel = line->channel;

	if (channel->line == line) {
		channel->line = NULL;
	} else {
		list_remove(&line->in_guests);
		channel->n_guests--;
	}
	if (line->limit)
		event_free(line->limit);
	if (line->bev)
		bufferevent_free(line->bev);
	free(line);
}

static void try_again(struct channel *channel)
{
	if (!channel->connects || channel->line || event_pending(channel->again, EV_TIMEOUT, NULL))
		return;
	timer_after(channel->again, channel->pause);
	channel->pause = channel->pause * 2 > PAUSE_MAX ? PAUSE_MAX : channel->pause * 2;
}

static void line_end(struct line *line, const char *why)
{
	struct channel *channel = line->channel;
	bool was_up = line->up;

	line_free(line);
	trouble(channel, why);
	if (was_up) {
		event_del(channel->turn);
		channel->status.up = false;
		channel->status.since = clock_now();
		channel->handler->on_down(channel->ctx);
	}
	try_again(channel);
}

static void say(struct line *line, json_t *word)
{
	struct evbuffer *out = bufferevent_get_output(line->bev);
	char *text = json_dumps(word, JSON_COMPACT);

	json_decref(word);
	if (text)
		evbuffer_add_printf(out, "%s\n", text);
	free(text);
	line->channel->status.words_out++;
}

static void greet(struct line *line)
{
	const struct channel *channel = line->channel;

	say(line, json_pack("{s:{s:i,s:s,s:s}}", HELLO, "version", SPEAKS, "cluster", channel->cluster,
			    "node", channel->self));
}

static void line_up(struct line *line)
{
	struct channel *channel = line->channel;
	struct timeval silence = clock_timeval(CHANNEL_SILENCE);

	/* The peer would not connect anew if it still had the older one. */
	if (channel->line)
		line_end(channel->line, "connected anew by the peer");
	list_remove(&line->in_guests);
	channel->n_guests--;
	channel->line = line;
	line->up = true;
	event_del(line->limit);
	bufferevent_set_timeouts(line->bev, &silence, &silence);
	channel->pause = PAUSE_FIRST;
	channel->next_key = line->key;
	channel->status.up = true;
	channel->status.since = clock_now();
	channel->status.link = line->link;
	channel->status.connections++;
	channel->status.trouble[0] = '\0';
	timer_after(channel->turn, CHANNEL_EVERY);
	log_info("sync: connected with %s", channel->peer);
	channel->handler->on_up(channel->ctx);
}

/* NULL, or why the peer is not the one that we want to talk to. */
static const char *objection(const struct channel *channel, const json_t *word)
{
	const json_t *hello = json_object_get(word, HELLO);
	const char *cluster = json_string_value(json_object_get(hello, "cluster")),
		   *node = json_string_value(json_object_get(hello, "node"));

	if (json_integer_value(json_object_get(hello, "version")) < 1 || !cluster || !node)
		return "the peer does not begin with a greeting";
	if (strcmp(cluster, channel->cluster) != 0)
		return "the peer is of another cluster";
	if (strcmp(node, channel->peer) != 0)
		return "the peer is another node than the configuration names";
	return NULL;
}

/* False: the line is gone. */
static bool hear(struct line *line, const char *text, size_t n)
{
	struct channel *channel = line->channel;
	json_t *word = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	const char *why = !json_is_object(word) ? "the peer does not speak as it should"
			  : line->up            ? NULL
						: objection(channel, word);

	channel->status.words_in++;
	if (!why && !line->up)
		line_up(line);
	else if (!why && !channel->handler->on_word(channel->ctx, word))
		why = "the peer says what it may not";
	json_decref(word);
	if (why) {
		line_end(line, why);
		return false;
	}
	return true;
}

static void on_read(struct bufferevent *bev, void *ctx)
{
	struct line *line = ctx;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t n;
	char *text;
	bool there = true;

	while (there && (text = evbuffer_readln(in, &n, EVBUFFER_EOL_LF))) {
		if (n > CHANNEL_WORD_MAX) {
			line_end(line, "the peer speaks without end");
			there = false;
		} else {
			there = hear(line, text, n);
		}
		free(text);
	}
	if (there && evbuffer_get_length(in) > CHANNEL_WORD_MAX)
		line_end(line, "the peer speaks without end");
}

static void on_written(struct bufferevent *bev, void *ctx)
{
	struct line *line = ctx;

	if (line->up)
		line->channel->handler->on_room(line->channel->ctx);
}

static void describe_end(struct line *line, short what, char *out, size_t size)
{
	unsigned long code = bufferevent_get_openssl_error(line->bev);
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	if (what & BEV_EVENT_TIMEOUT)
		snprintf(out, size, "the peer is silent");
	else if (what & BEV_EVENT_EOF)
		snprintf(out, size, "the peer ended the connection");
	else if (reason)
		snprintf(out, size, "TLS: %s%s", reason,
			 line->secured ? "" : " (do both nodes have the same secret?)");
	else
		snprintf(out, size, "%s", errno ? strerror(errno) : "the connection broke");
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct line *line = ctx;
	char why[160];

	if (what & BEV_EVENT_CONNECTED) {
		/* Of TLS too. A handshake without the key is none of ours. */
		line->secured = SSL_session_reused(bufferevent_openssl_get_ssl(bev)) == 1;
		if (!line->secured)
			line_end(line, "TLS: the peer did without the key");
		else
			greet(line);
		return;
	}
	describe_end(line, what, why, sizeof(why));
	line_end(line, why);
}

static void on_limit(evutil_socket_t fd, short what, void *ctx)
{
	struct line *line = ctx;
	char why[160], local[ADDR_TEXT_MAX];

	snprintf(why, sizeof(why), "no answer within %d ms on link %s", (int)(CHANNEL_GREETING / NS_PER_MS),
		 addr_format(&line->channel->locals[line->link], local));
	line_end(line, why);
}

/* Takes `fd`. NULL when out of memory. */
static struct line *line_new(struct channel *channel, int fd, size_t link, enum bufferevent_ssl_state state)
{
	struct line *line = calloc(1, sizeof(*line));
	SSL *ssl = SSL_new(channel->tls);
	int one = 1;

	if (!line || !ssl) {
		free(line);
		SSL_free(ssl);
		close(fd);
		return NULL;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	line->channel = channel;
	line->link = link;
	list_push_back(&channel->guests, &line->in_guests);
	channel->n_guests++;
	SSL_set_app_data(ssl, line);
	/* A server that comes with a certificate instead is refused: there is nobody here who would vouch for it. */
	if (state == BUFFEREVENT_SSL_CONNECTING)
		SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	line->limit = evtimer_new(channel->base, on_limit, line);
	line->bev = bufferevent_openssl_socket_new(channel->base, fd, ssl, state, BEV_OPT_CLOSE_ON_FREE);
	if (!line->limit || !line->bev) {
		if (!line->bev) {
			SSL_free(ssl);
			close(fd);
		}
		line_free(line);
		return NULL;
	}
	event_priority_set(line->limit, PRIORITY);
	bufferevent_openssl_set_allow_dirty_shutdown(line->bev, 1);
	bufferevent_setcb(line->bev, on_read, on_written, on_event, line);
	bufferevent_setwatermark(line->bev, EV_READ, 0, 8 * CHANNEL_WORD_MAX);
	bufferevent_enable(line->bev, EV_READ | EV_WRITE);
	timer_after(line->limit, CHANNEL_GREETING);
	return line;
}

/* Connecting */

/* A socket that is bound to our own address of the link, so that the peer knows it; or negative errno. */
static int socket_of(const struct channel *channel, size_t link)
{
	struct addr source = channel->locals[link];
	struct sockaddr_storage sa;
	socklen_t n;
	int fd, r = 0;

	source.port = 0;
	n = addr_to_sockaddr(&source, &sa);
	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, n) < 0)
		r = -errno;
	n = addr_to_sockaddr(&channel->remotes[link], &sa);
	if (r == 0 && connect(fd, (struct sockaddr *)&sa, n) < 0 && errno != EINPROGRESS)
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

static void on_again(evutil_socket_t unused, short what, void *ctx)
{
	struct channel *channel = ctx;
	size_t link = channel->next_link, key = channel->next_key;
	struct line *line;
	char why[160], local[ADDR_TEXT_MAX];
	int fd;

	if (channel->line || channel->keys.n == 0)
		return;
	channel->next_link = (link + 1) % channel->n_links;
	if (channel->next_link == 0)
		channel->next_key++;
	fd = socket_of(channel, link);
	if (fd < 0) {
		snprintf(why, sizeof(why), "link %s: %s", addr_format(&channel->locals[link], local),
			 strerror(-fd));
		trouble(channel, why);
		try_again(channel);
		return;
	}
	line = line_new(channel, fd, link, BUFFEREVENT_SSL_CONNECTING);
	if (!line) {
		try_again(channel);
		return;
	}
	line->key = key % channel->keys.n;
}

/* Accepting */

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *sa, int n,
		      void *ctx)
{
	struct channel *channel = ctx;
	struct addr from;
	size_t link = 0;

	if (addr_from_sockaddr(sa, &from) < 0) {
		close(fd);
		return;
	}
	while (link < channel->n_links && !ip_equal(&channel->remotes[link].ip, &from.ip))
		link++;
	if (link == channel->n_links || channel->keys.n == 0) {
		close(fd);
		return;
	}
	/* The oldest has to make room: it may be dead, and the newest is the one that the peer wants. */
	if (channel->n_guests == CHANNEL_GUESTS)
		line_free(list_entry(channel->guests.next, struct line, in_guests));
	line_new(channel, fd, link, BUFFEREVENT_SSL_ACCEPTING);
}

static struct evconnlistener *listen_on(struct channel *channel, const struct addr *address)
{
	struct evconnlistener *listener;
	struct sockaddr_storage sa;
	socklen_t n = addr_to_sockaddr(address, &sa);
	char text[ADDR_TEXT_MAX];
	int one = 1, fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* Also an address that is not there yet. */
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)) == 0 &&
	    bind(fd, (struct sockaddr *)&sa, n) == 0 &&
	    (listener =
		     evconnlistener_new(channel->base, on_accept, channel,
					LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, CHANNEL_GUESTS, fd)))
		return listener;
	log_warning("sync: can't listen on %s: %s", addr_format(address, text), strerror(errno));
	if (fd >= 0)
		close(fd);
	return NULL;
}

/* The whole */

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct channel *channel = ctx;

	if (!channel->line)
		return;
	timer_after(channel->turn, CHANNEL_EVERY);
	channel->handler->on_turn(channel->ctx);
}

struct channel *channel_new(struct event_base *base, const struct config *config, size_t self,
			    const struct channel_handler *handler, void *ctx)
{
	const struct config_node *own = &config->nodes[self], *peer = &config->nodes[!self];
	struct channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return NULL;
	channel->base = base;
	channel->handler = handler;
	channel->ctx = ctx;
	MSG_TEXT(channel->cluster, config->cluster.name);
	MSG_TEXT(channel->self, own->name);
	MSG_TEXT(channel->peer, peer->name);
	channel->n_links = own->n_links < peer->n_links ? own->n_links : peer->n_links;
	memcpy(channel->locals, own->links, sizeof(channel->locals));
	memcpy(channel->remotes, peer->links, sizeof(channel->remotes));
	channel->connects = strcmp(own->name, peer->name) < 0;
	channel->pause = PAUSE_FIRST;
	list_init(&channel->guests);
	channel->tls = tls_new();
	channel->again = evtimer_new(base, on_again, channel);
	channel->turn = evtimer_new(base, on_turn, channel);
	if (!channel->tls || !channel->again || !channel->turn || channel->n_links == 0 ||
	    event_priority_set(channel->again, PRIORITY) < 0 ||
	    event_priority_set(channel->turn, PRIORITY) < 0) {
		channel_free(channel);
		return NULL;
	}
	return channel;
}

void channel_free(struct channel *channel)
{
	if (!channel)
		return;
	if (channel->line)
		line_free(channel->line);
	list_each_safe(node, &channel->guests)
		line_free(list_entry(node, struct line, in_guests));
	for (size_t i = 0; i < channel->n_links; i++)
		if (channel->listeners[i])
			evconnlistener_free(channel->listeners[i]);
	if (channel->again)
		event_free(channel->again);
	if (channel->turn)
		event_free(channel->turn);
	SSL_CTX_free(channel->tls);
	explicit_bzero(&channel->keys, sizeof(channel->keys));
	free(channel);
}

void channel_open(struct channel *channel)
{
	for (size_t i = 0; !channel->connects && i < channel->n_links; i++)
		channel->listeners[i] = listen_on(channel, &channel->locals[i]);
	try_again(channel);
}

void channel_set_keys(struct channel *channel, const struct msg_sync_keys *keys)
{
	channel->keys = *keys;
	if (channel->keys.n > SYNC_KEYS_MAX)
		channel->keys.n = SYNC_KEYS_MAX;
	channel->next_key = 0;
	try_again(channel);
}

void channel_say(struct channel *channel, json_t *word)
{
	if (!channel->line || !word) {
		json_decref(word);
		return;
	}
	say(channel->line, word);
	/* Ended by the next turn, not from in here: the caller is in the middle of something. */
	if (channel_pending(channel) > CHANNEL_PENDING_MAX)
		bufferevent_trigger_event(channel->line->bev, BEV_EVENT_TIMEOUT, BEV_TRIG_DEFER_CALLBACKS);
}

size_t channel_pending(const struct channel *channel)
{
	return channel->line ? evbuffer_get_length(bufferevent_get_output(channel->line->bev)) : 0;
}

const struct channel_status *channel_status(const struct channel *channel)
{
	return &channel->status;
}
