/*
 * relay.h: one direction of bytes from one stream to another, with back-pressure: nothing is received before what was
 * received is with the target's kernel. Two of them are a tunnel; one is the body of a request or a response.
 *
 *      from --receive--> buffer --framing_take--> send--> to          looked at as far as the framing needs
 *      from ------------------- splice -----------------> to          long runs of body that need not be seen, both plain
 *
 * A relay submits to both streams but is not called back by them: the owner of the streams passes on what happened
 * (relay_received, relay_sent, relay_spliced), and each says how things stand. A buffer is held only while bytes are in it.
 */
#ifndef HAPAIR_PROXY_RELAY_H
#define HAPAIR_PROXY_RELAY_H

#include "proxy/framing.h"
#include "proxy/io.h"

enum relay_result {
	RELAY_GOES_ON,
	RELAY_COMPLETE,      /* the body is through, or the source ended where its end ends the body */
	RELAY_TRUNCATED,     /* the source ended inside the body */
	RELAY_SOURCE_FAILED, /* `error` */
	RELAY_TARGET_FAILED, /* `error` */
	RELAY_MALFORMED,     /* framing.error */
};

struct relay {
	struct io_stream *from, *to;
	struct framing framing;
	struct buffer *buffer; /* received; what is left in it after RELAY_COMPLETE is not of this body */
	uint64_t bytes;        /* that are through */
	uint32_t used;         /* of the buffer: the part that is being sent, with what is dropped of it */
	int error;
	bool active; /* between relay_begin() and a result other than RELAY_GOES_ON */
	bool sending;
	bool bulk;   /* the last receive filled its buffer: more will come */
	bool copied; /* there was no pipe for a splice: receive and send to the end */
	bool last;   /* the body ends with what is being sent */
	bool faulty; /* ... and then it is malformed */
};

/*
 * `framing` as initialised. `head`: bytes that leave first (may be empty, lent until they are sent). `buffer`: bytes of
 * `from` received already, taken over; NULL: none.
 */
enum relay_result relay_begin(struct relay *relay, struct io_stream *from, struct io_stream *to,
			      const struct framing *framing, struct span head, struct buffer *buffer);

enum relay_result relay_received(struct relay *relay, struct buffer *buffer, ssize_t n);
enum relay_result relay_sent(struct relay *relay, int error);
enum relay_result relay_spliced(struct relay *relay, ssize_t n, bool target_failed);

/* Gives the buffer back. The streams are the owner's. */
void relay_done(struct relay *relay);

/* Waits for the target to take bytes (not for the source to give some). */
static inline bool relay_is_blocked(const struct relay *relay)
{
	return relay->active && (relay->sending || io_splice_is_blocked(relay->from));
}

#endif
