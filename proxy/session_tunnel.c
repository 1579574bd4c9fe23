/*
 * session_tunnel.c: tunnels, which is what mode = tcp is from the start and WebSocket becomes after its 101: two relays that end
 * each by itself, so that a half-close is passed on as one. The journey is in session.c.
 */
#include "proxy/session_state.h"

void session_tunnel_begin(struct session *s, struct span head, struct buffer *from_server)
{
	struct io_stream *server = &s->upstream->stream;
	struct buffer *from_client = s->in;
	struct framing all;
	framing_init(&all, FRAMING_CLOSE, 0, false);
	s->in = NULL;
	s->keep_alive = false;
	s->state = SESSION_TUNNEL;
	deadline(s, listen_of(s)->tunnel_timeout);
	session_tunnel_went(s, &s->to_client,
			    relay_begin(&s->to_client, server, &s->client, &all, head, from_server));
	if (s->state == SESSION_TUNNEL)
		session_tunnel_went(s, &s->to_server,
				    relay_begin(&s->to_server, &s->client, server, &all,
						(struct span){NULL, 0}, from_client));
}

void session_tunnel_went(struct session *s, struct relay *relay, enum relay_result result)
{
	if (result == RELAY_GOES_ON) {
		deadline(s, listen_of(s)->tunnel_timeout);
		return;
	}
	if (result != RELAY_COMPLETE) {
		session_close(s, IO_RESET);
		return;
	}
	/* One end has said all it had to say; the other may go on for as long as it likes. */
	io_send_end(relay->to);
	if (!s->to_client.active && !s->to_server.active)
		session_close(s, IO_CLOSE);
}
