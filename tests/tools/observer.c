/*
 * observer.c: who answers for the VIP, asked every 2 ms from outside both nodes.
 * rooms: hapair/base/addr.c hapair/base/clock.c tests/tools/lib/instrument.c tests/tools/lib/frames.c
 *
 *   observer INTERFACE VIP[/PORT] [VIP6] NAME=MAC NAME=MAC
 *
 * In each turn it asks in every way in which a node may answer:
 *   arp     who has VIP, to all (RFC 826); ndp, a neighbour solicitation (RFC 4861 4.3)
 *   icmp    an echo request with the VIP as its destination, sent to each node's own MAC, so that a node
 * which still takes packets for the VIP is found even when nothing points to it; icmp6 tcp     a SYN to the
 * VIP's port 80, sent to each node's own MAC, in every fifth turn and notes by the source MAC who answered
 * when. Gratuitous announcements are counted apart.
 *
 * Two answerers: one node answers, another answers, and the first answers again within 30 ms, or both answer
 * echo requests of the same turn, twice in a row. A hand-over shows one change only, however quick it is; it may fall into a turn.
 *
 * Moves are changes of who answers that are no overlap.
 *
 * It lives on a machine of its own, so that the answers to its questions teach no client where the VIP is.
 */
#include "hapair/base/addr.h"
#include "tests/tools/lib/frames.h"
#include "tests/tools/lib/instrument.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <arpa/inet.h>

#define NODES_MAX   2
#define PERIOD_NS   2000000
#define SYN_EVERY   5      /* turns */
#define INTERLEAVED MS(30) /* answering again so soon after another: both hold it */
#define CHANGES_MAX 64
#define REPEATED    250 /* turns: a SYN-ACK so old is sent again (RFC 6298, after 1 s), for a connection that began then */

static const char *const kind_names[ANSWER_COUNT] = {"arp", "ndp", "icmp", "icmp6", "tcp"};

static struct node {
	const char *name;
	uint8_t mac[6];
	/* of the present window; instants are 0 for never */
	struct {
		size_t n;
		nanos first, last;
	} by[ANSWER_COUNT];
	size_t announced;
	nanos announced_last;
	nanos first, last;        /* any answer */
	uint32_t last_turn_heard; /* echo */
} nodes[NODES_MAX];
static size_t n_nodes;

static struct {
	char label[64];
	nanos from;
	size_t asked, both_in_one_turn, overlaps, strangers, moves, repeated;
	uint32_t both_turn; /* the newest turn in which both answered */
	nanos overlap, longest_silence, last_answer, silence_from;
	int holder; /* who answered last, -1 nobody yet */
	nanos held_since;
	size_t n_changes;
	struct {
		nanos at;
		int to;
	} changes[CHANGES_MAX];
} window;

static struct frames_self self;
static struct ip vip, vip6;
static int packet_fd;
static uint32_t turn_number;
static bool running = true;

static int node_of(const uint8_t mac[6])
{
	for (size_t i = 0; i < n_nodes; i++)
		if (memcmp(nodes[i].mac, mac, 6) == 0)
			return (int)i;
	return -1;
}

static void note_change(int node, nanos now)
{
	nanos held = now - window.held_since;

	if (window.n_changes >= 2 && held < INTERLEAVED && window.changes[window.n_changes - 2].to == node) {
		window.overlaps++;
		window.overlap += held;
	}
	window.moves += window.holder >= 0;
	if (window.n_changes == CHANGES_MAX) {
		memmove(window.changes, window.changes + 2, (CHANGES_MAX - 2) * sizeof(window.changes[0]));
		window.n_changes -= 2;
	}
	window.changes[window.n_changes].at = now;
	window.changes[window.n_changes++].to = node;
	window.holder = node;
	window.held_since = now;
}

static void note_both(uint32_t turn)
{
	if (window.both_turn == turn - 1)
		window.both_in_one_turn++;
	window.both_turn = turn;
}

static void note_answer(int i, enum answer_kind kind, uint32_t turn, nanos now)
{
	struct node *node = &nodes[i];

	if (node->by[kind].n++ == 0)
		node->by[kind].first = now;
	node->by[kind].last = now;
	node->first = node->first ? node->first : now;
	node->last = now;
	if (now - window.last_answer > window.longest_silence) {
		window.longest_silence = now - window.last_answer;
		window.silence_from = window.last_answer;
	}
	window.last_answer = now;
	if (window.holder != i)
		note_change(i, now);
	if (kind != ANSWER_ICMP && kind != ANSWER_ICMP6)
		return;
	node->last_turn_heard = turn;
	for (size_t other = 0; other < n_nodes; other++)
		if (other != (size_t)i && nodes[other].last_turn_heard == turn)
			note_both(turn);
}

static void note_announcement(struct node *node, nanos now)
{
	node->announced++;
	node->announced_last = now;
}

static void hear(void)
{
	uint8_t frame[2048];
	struct sockaddr_ll from;
	socklen_t length = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(packet_fd, frame, sizeof(frame), 0, (struct sockaddr *)&from, &length)) > 0) {
		struct answer answer;
		int node;

		if (from.sll_pkttype == PACKET_OUTGOING ||
		    !frames_read_answer(&self, &vip, &vip6, frame, (size_t)n, &answer))
			continue;
		node = node_of(frame + 6);
		if (node < 0)
			window.strangers++;
		else if (answer.announcement)
			note_announcement(&nodes[node], clock_now());
		else if (answer.kind == ANSWER_TCP && turn_number - answer.turn > REPEATED)
			window.repeated++;
		else
			note_answer(node, answer.kind, answer.turn, clock_now());
	}
}

static void ask(void)
{
	uint8_t frame[128];
	size_t n;

	turn_number++;
	window.asked++;
	n = frames_arp_request(&self, &vip, frame);
	(void)!send(packet_fd, frame, n, 0);
	if (vip6.family == AF_INET6) {
		n = frames_solicitation(&self, &vip6, frame);
		(void)!send(packet_fd, frame, n, 0);
	}
	for (size_t i = 0; i < n_nodes; i++) {
		n = frames_echo(&self, &vip, nodes[i].mac, turn_number, frame);
		(void)!send(packet_fd, frame, n, 0);
		if (vip6.family == AF_INET6) {
			n = frames_echo(&self, &vip6, nodes[i].mac, turn_number, frame);
			(void)!send(packet_fd, frame, n, 0);
		}
		if (turn_number % SYN_EVERY == 0) {
			n = frames_syn(&self, &vip, 80, nodes[i].mac, turn_number, frame);
			(void)!send(packet_fd, frame, n, 0);
		}
	}
}

static void on_begin(const char *label)
{
	memset(&window, 0, sizeof(window));
	snprintf(window.label, sizeof(window.label), "%s", label);
	window.from = window.last_answer = clock_now();
	window.holder = -1;
	for (size_t i = 0; i < n_nodes; i++) {
		memset(nodes[i].by, 0, sizeof(nodes[i].by));
		nodes[i].announced = 0;
		nodes[i].announced_last = 0;
		nodes[i].first = nodes[i].last = 0;
	}
}

static void print_instant(const char *name, nanos at)
{
	if (at)
		printf("\"%s\":%.1f,", name, as_ms(at - window.from));
	else
		printf("\"%s\":null,", name);
}

static void print_node(const struct node *node)
{
	size_t n = 0;

	for (size_t k = 0; k < ANSWER_COUNT; k++)
		n += node->by[k].n;
	printf("\"%s\":{\"answers\":%zu,", node->name, n);
	print_instant("first_ms", node->first);
	print_instant("last_ms", node->last);
	print_instant("announced_last_ms", node->announced_last);
	printf("\"announced\":%zu", node->announced);
	for (size_t k = 0; k < ANSWER_COUNT; k++) {
		printf(",\"%s\":{\"answers\":%zu,", kind_names[k], node->by[k].n);
		print_instant("first_ms", node->by[k].first);
		printf("\"last_ms\":");
		if (node->by[k].last)
			printf("%.1f}", as_ms(node->by[k].last - window.from));
		else
			printf("null}");
	}
	printf("}");
}

static void on_end(void)
{
	nanos now = clock_now();

	if (now - window.last_answer > window.longest_silence) {
		window.longest_silence = now - window.last_answer;
		window.silence_from = window.last_answer;
	}
	printf("{\"window\":\"%s\",\"mono_ms\":%.0f,\"ms\":%.0f,\"stall_ms\":%.1f,\"asked\":%zu,",
	       window.label, as_ms(window.from), as_ms(now - window.from),
	       as_ms(stalls_worst(window.from, now)), window.asked);
	printf("\"overlaps\":%zu,\"overlap_ms\":%.1f,\"both_in_one_turn\":%zu,\"silence_ms\":%.1f,\"silence_"
	       "from_ms\":%.1f,"
	       "\"strangers\":%zu,\"moves\":%zu,\"repeated\":%zu,\"nodes\":{",
	       window.overlaps, as_ms(window.overlap), window.both_in_one_turn, as_ms(window.longest_silence),
	       as_ms(window.silence_from - window.from), window.strangers,
	       window.moves - window.overlaps, window.repeated);
	for (size_t i = 0; i < n_nodes; i++) {
		printf("%s", i ? "," : "");
		print_node(&nodes[i]);
	}
	printf("},\"changes\":[");
	for (size_t i = 0; i < window.n_changes; i++)
		printf("%s{\"ms\":%.1f,\"to\":\"%s\"}", i ? "," : "",
		       as_ms(window.changes[i].at - window.from), nodes[window.changes[i].to].name);
	printf("]}\n");
}

static void on_quit(void)
{
	running = false;
}

static void add_node(char *spec)
{
	char *mac = strchr(spec, '=');

	if (!mac || n_nodes == NODES_MAX)
		die("%s: expected NAME=MAC, at most %d", spec, NODES_MAX);
	*mac++ = '\0';
	if (!frames_parse_mac(mac, nodes[n_nodes].mac))
		die("%s: not a MAC address", mac);
	nodes[n_nodes++].name = spec;
}

int main(int argc, char **argv)
{
	static const struct instrument_ops ops = {.begin = on_begin, .end = on_end, .quit = on_quit};
	struct itimerspec every = {.it_interval.tv_nsec = PERIOD_NS, .it_value.tv_nsec = PERIOD_NS};
	struct sched_param param = {.sched_priority = 2};
	struct pollfd polls[3];
	uint64_t ticks;
	int timer_fd;

	if (argc < 4)
		die("usage: observer INTERFACE VIP [VIP6] NAME=MAC NAME=MAC");
	for (int i = 2; i < argc; i++) {
		struct ip ip;

		if (ip_parse(span_of(argv[i]), &ip) < 0)
			add_node(argv[i]);
		else
			*(ip.family == AF_INET ? &vip : &vip6) = ip;
	}
	packet_fd = frames_open(argv[1], &self);
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	timerfd_settime(timer_fd, 0, &every, NULL);
	instrument_init(&ops);
	stalls_start();
	if (sched_setscheduler(0, SCHED_RR, &param) != 0)
		fprintf(stderr, "no real-time priority: questions may come late\n");
	on_begin("");
	polls[0] = (struct pollfd){.fd = packet_fd, .events = POLLIN};
	polls[1] = (struct pollfd){.fd = timer_fd, .events = POLLIN};
	polls[2] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	while (running) {
		poll(polls, 3, -1);
		/* What was answered before a window ends belongs to it. */
		hear();
		if (polls[2].revents)
			instrument_read_commands();
		if (polls[1].revents && read(timer_fd, &ticks, sizeof(ticks)) > 0)
			ask();
	}
	return 0;
}
