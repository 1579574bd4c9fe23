/*
 * forge.c: heartbeats that must not be believed.
 * rooms: hapair/base/addr.c hapair/base/clock.c hapair/base/secret.c heartbeat/wire.c heartbeat/mac.c
 * rooms: tests/tools/lib/instrument.c tests/tools/lib/frames.c
 *
 *   forge capture INTERFACE PORT MS FILE         keeps every UDP datagram to PORT that passes within MS
 *   forge send INTERFACE MAC FILE FROM TO HOW [SECRET_FILE CLUSTER]
 *                                                sends them again, under their own addresses, to a node's MAC
 * HOW:
 *   replay     every datagram of the file that went FROM -> TO, as it was
 *   truncate   the newest of them, cut to every shorter length
 *   flip       the newest of them, with each single bit turned
 *   reflect    every datagram that went TO -> FROM, sent back as if FROM had said it
 *   key        the newest, its sequence raised by 1000, signed with a random key under the right key id
 *   keyid      the same under a key id that nobody has
 *   cluster    the same, signed with the pair's own key, of another cluster
 *   node       the same, signed with the pair's own key, of a node that is not in the pair
 *   forge flood INTERFACE MAC FILE FROM TO RATE SECONDS
 *                                                the newest under a wrong signature, each another, RATE a second
 * and prints {"sent":N}.
 */
#include "hapair/base/addr.h"
#include "hapair/base/secret.h"
#include "heartbeat/mac.h"
#include "heartbeat/wire.h"
#include "tests/tools/lib/frames.h"
#include "tests/tools/lib/instrument.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PACE      US(200) /* between two datagrams: none is lost to a full socket */
#define TAKEN_MAX 4096
#define BATCH     256 /* of a flood: datagrams a system call, at most */

/* One datagram in the file, host order; the file is of this machine only. */
struct taken {
	struct addr from, to;
	uint32_t n;
	uint8_t bytes[WIRE_SIZE_MAX];
};

static struct taken taken[TAKEN_MAX];
static size_t n_taken;

static struct {
	struct frames_self self;
	int fd;
	uint8_t mac[6];
	size_t sent;
} out;

static void capture(const char *interface, uint16_t port, nanos duration, const char *path)
{
	struct frames_self self;
	int fd = frames_open(interface, &self);
	nanos end = clock_now() + duration;
	FILE *file = fopen(path, "wb");
	size_t n = 0;

	if (!file)
		die("%s: %s", path, strerror(errno));
	while (clock_now() < end) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		uint8_t frame[2048];
		ssize_t length;

		poll(&p, 1, (int)((end - clock_now()) / NS_PER_MS) + 1);
		while ((length = recv(fd, frame, sizeof(frame), 0)) > 0) {
			struct taken t = {0};
			const uint8_t *payload;
			size_t size;

			if (!frames_read_udp(frame, (size_t)length, &t.from, &t.to, &payload, &size) ||
			    t.to.port != port || size > sizeof(t.bytes))
				continue;
			t.n = (uint32_t)size;
			memcpy(t.bytes, payload, size);
			n += fwrite(&t, sizeof(t), 1, file);
		}
	}
	if (fclose(file) != 0)
		die("%s: %s", path, strerror(errno));
	printf("{\"captured\":%zu}\n", n);
}

static void load_file(const char *path)
{
	FILE *file = fopen(path, "rb");

	if (!file)
		die("%s: %s", path, strerror(errno));
	n_taken = fread(taken, sizeof(taken[0]), TAKEN_MAX, file);
	fclose(file);
}

static void send_as(const struct addr *from, const struct addr *to, const uint8_t *bytes, size_t n)
{
	uint8_t frame[2048];
	struct timespec pace = {.tv_nsec = PACE};
	size_t length = frames_udp(&out.self, out.mac, from, to, bytes, n, frame);

	if (send(out.fd, frame, length, 0) == (ssize_t)length)
		out.sent++;
	nanosleep(&pace, NULL);
}

/* The newest datagram from one to the other. */
static const struct taken *newest(const struct ip *from, const struct ip *to)
{
	for (size_t i = n_taken; i-- > 0;)
		if (ip_equal(&taken[i].from.ip, from) && ip_equal(&taken[i].to.ip, to))
			return &taken[i];
	die("the file has no such datagram");
}

static void send_all(const struct ip *from, const struct ip *to, bool reflected)
{
	for (size_t i = 0; i < n_taken; i++) {
		const struct taken *t = &taken[i];

		if (!reflected && ip_equal(&t->from.ip, from) && ip_equal(&t->to.ip, to))
			send_as(&t->from, &t->to, t->bytes, t->n);
		else if (reflected && ip_equal(&t->from.ip, to) && ip_equal(&t->to.ip, from))
			send_as(&t->to, &t->from, t->bytes, t->n);
	}
}

static void read_secret(const char *path, struct secret *ret)
{
	char text[4096];
	FILE *file = fopen(path, "r");
	unsigned line;
	const char *why;
	size_t n;

	if (!file)
		die("%s: %s", path, strerror(errno));
	n = fread(text, 1, sizeof(text), file);
	fclose(file);
	if (secret_parse(text, n, ret, &line, &why) < 0)
		die("%s:%u: %s", path, line, why);
}

/* A message that differs from a true one in one thing only. */
static void send_sealed(const struct taken *t, const char *how, const char *secret_path,
			const char *cluster_name)
{
	uint8_t cluster[WIRE_CLUSTER], bytes[WIRE_SIZE];
	struct wire_message message;
	struct secret secret;
	struct mac *mac;

	read_secret(secret_path, &secret);
	mac_cluster_id(strcmp(how, "cluster") == 0 ? "another" : cluster_name, cluster);
	if (strcmp(how, "key") == 0)
		memset(secret.keys[0].bytes, 0x5a, SECRET_KEY_BYTES);
	else if (strcmp(how, "keyid") == 0)
		secret.keys[0].id += 1000;
	wire_decode(t->bytes, t->n, &message);
	message.sequence += 1000;
	if (strcmp(how, "node") == 0)
		message.node = mac_node_id("gamma");
	mac = mac_new(&secret, cluster);
	if (!mac || mac_seal(mac, &message, bytes) < 0)
		die("can't sign");
	send_as(&t->from, &t->to, bytes, sizeof(bytes));
	mac_free(mac);
}

static void forge(const struct ip *from, const struct ip *to, const char *how, const char *secret,
		  const char *cluster)
{
	const struct taken *t;
	uint8_t bytes[WIRE_SIZE_MAX];

	if (strcmp(how, "replay") == 0 || strcmp(how, "reflect") == 0) {
		send_all(from, to, how[2] == 'f');
		return;
	}
	t = newest(from, to);
	if (strcmp(how, "truncate") == 0) {
		for (size_t n = 0; n < t->n; n++)
			send_as(&t->from, &t->to, t->bytes, n);
	} else if (strcmp(how, "flip") == 0) {
		for (size_t bit = 0; bit < (size_t)t->n * 8; bit++) {
			memcpy(bytes, t->bytes, t->n);
			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			send_as(&t->from, &t->to, bytes, t->n);
		}
	} else if (secret && cluster) {
		send_sealed(t, how, secret, cluster);
	} else {
		die("%s needs SECRET_FILE and CLUSTER", how);
	}
}

/* What is due by now goes out in one batch, a millisecond at a time. */
static void flood(const struct ip *from, const struct ip *to, unsigned rate, unsigned seconds)
{
	static uint8_t frames[BATCH][WIRE_SIZE_MAX + 64];
	static struct mmsghdr messages[BATCH];
	static struct iovec vectors[BATCH];
	const struct taken *t = newest(from, to);
	size_t length = 0, due;
	nanos start, now, end;

	for (size_t i = 0; i < BATCH; i++) {
		length = frames_udp(&out.self, out.mac, &t->from, &t->to, t->bytes, t->n, frames[i]);
		vectors[i] = (struct iovec){frames[i], length};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
	}
	/* Else who is flooded takes the processor from the flood. */
	sched_setscheduler(0, SCHED_RR, &(struct sched_param){.sched_priority = 1});
	start = clock_now();
	end = start + SECONDS(seconds);
	while ((now = clock_now()) < end) {
		due = (size_t)((now - start) * rate / NS_PER_S) - out.sent;
		due = due < BATCH ? due : BATCH;
		for (size_t i = 0; i < due; i++) { /* the last bytes are the signature's */
			uint64_t other = out.sent + i;

			memcpy(frames[i] + length - sizeof(other), &other, sizeof(other));
		}
		for (size_t sent = 0; sent < due;) {
			int n = sendmmsg(out.fd, messages + sent, (unsigned)(due - sent), 0);

			if (n > 0) {
				sent += (size_t)n;
				out.sent += (size_t)n;
			} else if (errno != ENOBUFS && errno != EAGAIN) {
				die("sendmmsg: %s", strerror(errno));
			}
		}
		if (due < BATCH)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

int main(int argc, char **argv)
{
	struct ip from, to;

	if (argc == 6 && strcmp(argv[1], "capture") == 0) {
		capture(argv[2], (uint16_t)atoi(argv[3]), MS(atoi(argv[4])), argv[5]);
		return 0;
	}
	if (argc < 8 || (strcmp(argv[1], "send") != 0 && (strcmp(argv[1], "flood") != 0 || argc != 9)))
		die("usage: forge capture INTERFACE PORT MS FILE | forge send INTERFACE MAC FILE FROM TO HOW "
		    "[SECRET_FILE CLUSTER] | forge flood INTERFACE MAC FILE FROM TO RATE SECONDS");
	out.fd = frames_open(argv[2], &out.self);
	if (!frames_parse_mac(argv[3], out.mac))
		die("%s: not a MAC address", argv[3]);
	load_file(argv[4]);
	if (ip_parse(span_of(argv[5]), &from) < 0 || ip_parse(span_of(argv[6]), &to) < 0)
		die("FROM and TO are addresses");
	if (strcmp(argv[1], "flood") == 0)
		flood(&from, &to, (unsigned)atoi(argv[7]), (unsigned)atoi(argv[8]));
	else
		forge(&from, &to, argv[7], argc > 8 ? argv[8] : NULL, argc > 9 ? argv[9] : NULL);
	printf("{\"sent\":%zu}\n", out.sent);
	return 0;
}
