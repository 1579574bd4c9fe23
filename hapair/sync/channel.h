/*
 * channel.h: the connection between the admin processes of the two nodes: words (JSON objects, one a line) over TLS 1.3 with a
 * pre-shared key (RFC 8446, section 4.2.11) on TCP.
 *
 * It goes over the addresses and ports of the heartbeat links (TCP beside their UDP). The node with the smaller name connects, trying
 * link after link, with pauses that grow to half a second; the other one accepts, from the peer's link addresses only. Who can't show a key
 * of the pair gets no further than the handshake. The keys are derived from the secret's; the first is offered, on the next attempt the
 * next, and all are accepted, so that a rotation needs no order between the nodes.
 *
 * Each side says something twice a second; one that hears nothing for CHANNEL_SILENCE ends the connection, and it is made again
 * over whichever link works. Bounds: CHANNEL_WORD_MAX for a word, CHANNEL_PENDING_MAX of what the peer has not taken,
 * CHANNEL_GUESTS who have not shown a key yet, CHANNEL_GREETING for showing it. Nothing here ever blocks.
 */
#ifndef HAPAIR_SYNC_CHANNEL_H
#define HAPAIR_SYNC_CHANNEL_H

#include "hapair/base/config.h"
#include "hapair/base/msg.h"

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

#define CHANNEL_WORD_MAX    8192
#define CHANNEL_PENDING_MAX (4 << 20)
#define CHANNEL_GUESTS      8
#define CHANNEL_GREETING    SECONDS(1)
#define CHANNEL_SILENCE     MS(2500)
#define CHANNEL_EVERY       MS(500) /* what on_turn() is for */

struct channel;

struct channel_handler {
	void (*on_up)(void *ctx);
	void (*on_down)(void *ctx);
	/* Borrowed. May call channel_say(). False: not a word that a peer may say; the connection ends. */
	bool (*on_word)(void *ctx, const json_t *word);
	/* What was said has left to the kernel: room for more. */
	void (*on_room)(void *ctx);
	/* Every CHANNEL_EVERY while it is up: say something. */
	void (*on_turn)(void *ctx);
};

struct channel_status {
	bool up;
	nanos since; /* of `up` as it is; 0: never was up */
	size_t link; /* index; while up */
	uint64_t words_in, words_out, connections;
	char trouble[160]; /* why the last attempt or connection ended; "" none */
};

/* `config` has two nodes and `self` is ours; used for the call only. NULL when out of memory. Init OpenSSL before. */
struct channel *channel_new(struct event_base *base, const struct config *config, size_t self,
			    const struct channel_handler *handler, void *ctx);
void channel_free(struct channel *channel);

/* Binds what is to be bound (while there are privileges) and begins. What can't be bound is logged. */
void channel_open(struct channel *channel);
/* Those of a newer generation replace the older ones; a connection that stands goes on. Without keys nothing is connected. */
void channel_set_keys(struct channel *channel, const struct msg_sync_keys *keys);

/* Takes the reference. Nothing happens while it is not up. */
void channel_say(struct channel *channel, json_t *word);
/* Bytes that wait to be sent. */
size_t channel_pending(const struct channel *channel);
const struct channel_status *channel_status(const struct channel *channel);

#endif
