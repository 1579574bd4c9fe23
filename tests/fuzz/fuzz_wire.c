/* rooms: heartbeat/wire.c heartbeat/core.c heartbeat/hear.c heartbeat/obey.c heartbeat/orders.c heartbeat/act.c heartbeat/damping.c heartbeat/life.c heartbeat/detect.c heartbeat/election.c */
/* rooms: heartbeat/lease.c heartbeat/replay.c heartbeat/witness.c */
/* parsers: heartbeat/wire.c */
/*
 * Heartbeats: whatever bytes come, the checks name a reason or the message means the same when it is written again; and a
 * heart that is told such messages (as if a peer with the right key had gone mad) keeps its invariants.
 *
 * An input is a list of datagrams: a byte for the time since the one before in units of 4 ms, a byte for the length beyond
 * that of version 1 in units of 2 bytes, and the bytes. Bit 7 of the first byte makes it a message of the peer that echoes the newest of ours.
 */
#include "heartbeat/core.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static const uint8_t cluster[WIRE_CLUSTER] = "cluster, 16 byte";
static struct heart heart;
static struct heart_actions out;
static nanos now, fence;
static bool address;

static void perform(void)
{
	for (unsigned i = 0; i < out.n; i++) {
		const struct heart_action *a = &out.list[i];

		switch (a->kind) {
		case HEART_CLAIM:
			address = true;
			fence = a->until;
			CHECK(a->until > now);
			break;
		case HEART_FENCE:
			CHECK(fence > now);
			fence = a->until;
			break;
		case HEART_CLOSE:
		case HEART_DRAIN:
			fence = 0;
			break;
		case HEART_SEND:
			/* It says that it holds nothing only when that is so. */
			CHECK((a->message.flags & WIRE_ASKS) || fence == 0);
			CHECK(a->message.hold >= 0);
			break;
		default:
			break;
		}
	}
	out.n = 0;
	CHECK((heart.state == NODE_ACTIVE) == (heart.fence_end != 0));
	CHECK(heart.fence_end == fence);
	CHECK(fence <= now + heart.terms.dead);
}

static void begin(void)
{
	struct heart_settings settings = {.has_peer = true,
					  .n_links = 2,
					  .interval = MS(50),
					  .dead_after = 3,
					  .start_wait = MS(200),
					  .priority = 100,
					  .node = 1,
					  .peer = 2,
					  .digest = 1};

	now = SECONDS(1000);
	fence = 0;
	heart_init(&heart, &settings, 11, 0, now, &out);
	perform();
	heart_fitness(&heart, FITNESS_OK, now, &out);
	perform();
}

static void means_the_same(const struct wire_message *m, const uint8_t *bytes)
{
	uint8_t again[WIRE_SIZE];
	struct wire_message back;

	wire_encode(m, cluster, wire_key_id(bytes), again);
	CHECK(wire_check(again, sizeof(again), cluster) == REJECT_NONE);
	CHECK(wire_key_id(again) == wire_key_id(bytes));
	wire_decode(again, WIRE_SIZE, &back);
	back.version = m->version;
	/* What is longer than the field can say is told shorter, never as forever. */
	if (m->hold != WIRE_FOREVER) {
		struct wire_message longer = *m;

		longer.hold = SECONDS(5000);
		wire_encode(&longer, cluster, 1, again);
		wire_decode(again, WIRE_SIZE, &longer);
		CHECK(longer.hold < SECONDS(5000));
	}
	CHECK(back.link == m->link && back.flags == m->flags && back.state == m->state &&
	      back.fitness == m->fitness);
	CHECK(back.node == m->node && back.boot == m->boot && back.sequence == m->sequence);
	CHECK(back.echo_boot == m->echo_boot && back.echo_sequence == m->echo_sequence &&
	      back.echo_ago == m->echo_ago);
	CHECK(back.hold == m->hold && back.epoch == m->epoch && back.dead == m->dead &&
	      back.linger == m->linger);
	CHECK(back.handover == m->handover && back.n_macs == m->n_macs && m->n_macs <= WIRE_MACS &&
	      memcmp(back.macs, m->macs, sizeof(m->macs)) == 0);
	CHECK(back.digest == m->digest && back.priority == m->priority && back.connections == m->connections);
	CHECK(m->state < NODE_STATE_COUNT && m->fitness < FITNESS_COUNT && m->hold >= 0 && m->echo_ago >= 0);
}

static void pass_time(nanos duration)
{
	nanos until = now + duration;

	while (heart_due(&heart) <= until) {
		now = heart_due(&heart) > now ? heart_due(&heart) : now + 1;
		heart_turn(&heart, now, &out);
		perform();
	}
	now = until > now ? until : now;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	begin();
	while (size >= 2) {
		bool mine = data[0] & 0x80;
		size_t n = WIRE_SIZE_MIN + 2 * (size_t)data[1];
		struct wire_message m;

		pass_time((data[0] & 0x7f) * MS(4));
		data += 2;
		size -= 2;
		n = n < size ? n : size;
		if (wire_check(data, n, cluster) == REJECT_NONE) {
			wire_decode(data, n, &m);
			means_the_same(&m, data);
			if (mine) {
				m.node = 2;
				m.boot = 22;
				m.link &= 1;
				m.echo_boot = 11;
				m.echo_sequence = heart.sequence;
				m.dead = m.dead % SECONDS(10);
				m.linger = m.linger % SECONDS(10);
			}
			heart_receive(&heart, m.link, &m, now, &out);
			perform();
			heart_turn(&heart, now, &out);
			perform();
		}
		data += n;
		size -= n;
	}
	return 0;
}
