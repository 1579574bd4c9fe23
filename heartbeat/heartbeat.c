/*
 * heartbeat.c: the role's shell. It carries datagrams, instants and messages to the heart, and does what the heart says.
 *
 *      links ---+                       +--> send        --> links
 *   messages ---+--> heart (core.h) ----+--> fence, claim, close, release --> vip/
 *      timer ---+                       +--> transition, note --> report.h
 *
 * One turn: read every link dry, heart_turn(), keep what must survive a crash, sleep until something is due. Whatever may wait
 * for the disk or for the kernel's RTNL lock is done by the threads of epoch_file.c and vip/address.c.
 */
#include "heartbeat/heartbeat.h"

#include "hapair/base/log.h"
#include "hapair/base/sandbox.h"
#include "hapair/base/secret.h"
#include "hapair/base/timer.h"
#include "heartbeat/act.h"
#include "heartbeat/ask.h"
#include "heartbeat/core.h"
#include "heartbeat/epoch_file.h"
#include "heartbeat/links.h"
#include "heartbeat/mac.h"
#include "heartbeat/memory.h"
#include "heartbeat/report.h"
#include "vip/vip.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define REALTIME_PRIORITY 20 /* above every ordinary process, below the kernel's own threads */
#define REPORT_EVERY      MS(250)
#define SECRET_TEXT_MAX   16384
#define EARLIER_LIFE      MS(1500)
#define EARLIER_LIFE_POLL MS(10)
#define READ_TRIES        3          /* a flood, or a machine that stands still all the time, ends it */
#define KEY_LATE          SECONDS(2) /* etcd ends a lease so much later than it should, and it is then noticed */
#define CHECKS_AGAIN      SECONDS(1)
#define PROBE_FOR         SECONDS(5) /* of a silence; who has not answered by then does not */

/* Event priorities in the base: heartbeats before channels (1) and reports. */
enum { FIRST = 0, SECOND = 1, LAST = 2 };

struct heartbeat {
	struct role_runtime *rt;
	struct heart heart;
	struct mac *mac;
	struct secret secret; /* only until start() */
	bool has_secret;
	struct memory *memory;
	struct vips *vips;
	struct links *links; /* NULL: there is no peer */
	struct epoch_file *epochs;
	struct ask ask;
	struct event *ask_event; /* NULL: no answer comes on a socket */
	struct event *timer, *report, *vip_event, *link_events[CONFIG_LINKS_MAX];
	uint64_t rejected[REJECT_COUNT];
	bool realtime;
	bool started;
	uint32_t switchover; /* id of the request that waits for an answer; 0 none */
	bool usable_changed, usable;
	const char *usable_why;
	nanos last_probe, checks_since, checks_asked;
	bool prepared_changed, drained; /* vip/ said so in the middle of its work */
	int prepared_error;
	long left; /* connections of the VIP that was given; -1 none was */
};

static struct heartbeat *self(struct role_runtime *rt)
{
	static struct heartbeat hb;

	hb.rt = rt;
	return &hb;
}

/* --- what the heart wants done --- */

/* What a crash must not forget. */
static void keep(struct heartbeat *hb)
{
	struct memory_record record;

	if (!hb->memory || !heart_dirty(&hb->heart))
		return;
	heart_save(&hb->heart, clock_now(), &record);
	memory_save(hb->memory, &record);
}

/* A FENCE or CLAIM was carried out; the clock is read again, because doing it may have taken long. */
static void fence_was_set(struct heartbeat *hb, const struct heart_action *action, int error,
			  struct heart_actions *more)
{
	nanos now = clock_now();

	if (error)
		log_warning("%s: %s", action->kind == HEART_CLAIM ? "claim" : "renewal", strerror(-error));
	switch (error) {
	case 0:
		heart_fence_done(&hb->heart, action->computed, now, more);
		break;
	case -ENOENT:
		heart_fence_failed(&hb->heart, now, "the fence had lapsed", more);
		break;
	case -ERANGE:
		heart_fence_failed(&hb->heart, now, "too little was left of the lease", more);
		break;
	case -ENODEV:
		heart_fence_refused(&hb->heart, now, "the interface of a VIP is gone", more);
		break;
	default:
		heart_fence_refused(&hb->heart, now, "the kernel refused the fence or the address", more);
	}
}

/* Of the own interfaces, for a peer that is to pass frames on; `message` is the heart's otherwise. */
static void add_macs(const struct heartbeat *hb, struct wire_message *message)
{
	_Static_assert(VIPS_MAX == WIRE_MACS && VIP_MAC == WIRE_MAC, "one MAC for each VIP");
	vip_macs(hb->vips, message->macs);
	message->n_macs = (uint8_t)hb->rt->config->n_vips;
}

static void send_heartbeat(struct heartbeat *hb, const struct heart_action *action)
{
	struct wire_message message = action->message;
	uint8_t bytes[WIRE_SIZE];

	add_macs(hb, &message);
	if (!hb->links || mac_seal(hb->mac, &message, bytes))
		return;
	/* A link that can't send is a link that is not heard: the peer's side of it tells. */
	links_send(hb->links, action->link, bytes, sizeof(bytes));
}

/* What became of the connections, where the switchover was one. */
static void tell_how(const struct heartbeat *hb, const char *text, struct msg_reply *reply)
{
	const struct heart *heart = &hb->heart;
	long left = vip_left(hb->vips);

	if (heart->state == NODE_DRAINING && left >= 0)
		snprintf(reply->text, sizeof(reply->text),
			 "%s; %ld connections are served here to their end, %lld s at most", text, left,
			 (long long)(heart->settings.drain_timeout / NS_PER_S));
	else if (heart->handover.plain)
		snprintf(reply->text, sizeof(reply->text), "%s; connections that were there are broken: %s",
			 text, heart->handover.plain);
	else
		MSG_TEXT(reply->text, text);
}

static void switchover_ended(struct heartbeat *hb, int error, const char *text)
{
	struct msg_reply reply = {.id = hb->switchover, .error = error};

	if (!hb->switchover)
		return;
	hb->switchover = 0;
	if (error)
		MSG_TEXT(reply.text, text ? text : "");
	else
		tell_how(hb, text ? text : "done", &reply);
	ipc_send(hb->rt->peers[ROLE_ADMIN], MSG_REPLY, &reply, -1);
}

static void stopped(struct heartbeat *hb)
{
	vip_leave_nothing(hb->vips);
	switchover_ended(hb, -ECANCELED, "the node stops");
	ipc_send(hb->rt->peers[ROLE_SUPERVISOR], MSG_STOPPED, &(struct msg_empty){0}, -1);
	epoch_file_close(hb->epochs);
	hb->epochs = NULL;
	role_exit(hb->rt, EXIT_SUCCESS);
}

static void prepare(struct heartbeat *hb, bool giving)
{
	const struct wire_message *peer = &hb->heart.peer;
	const char *why = "the peer has another number of VIPs";
	int error = -EINVAL;

	if (peer->n_macs == hb->rt->config->n_vips)
		error = vip_prepare(hb->vips, giving, peer->macs, hb->heart.settings.drain_timeout, &why);
	if (!error)
		return;
	log_warning("this switchover will break connections: %s", why);
	hb->prepared_changed = true; /* told at the end of the turn */
	hb->prepared_error = error;
}

static void begin_drain(struct heartbeat *hb)
{
	int error = vip_give(hb->vips);

	hb->left = -1;
	if (!error)
		return;
	log_warning("connections can't be served on: %s", strerror(-error));
	hb->drained = true;
}

/* The peer's, if this node holds the VIP and the peer does not serve them on. */
static void ask_for_lost_connections(struct heartbeat *hb)
{
	if (vip_held(hb->vips) && !hb->heart.handover.in_force)
		ipc_send(hb->rt->peers[ROLE_ADMIN], MSG_FLOWS_WANTED, &(struct msg_empty){0}, -1);
}

static void take_flows(struct heartbeat *hb, const struct msg_flows *m)
{
	if (m->n > MSG_FLOWS_MAX)
		log_fatal("%u connections in a message", m->n);
	vip_tickle(hb->vips, m->flows, m->n);
}

static void end_drain(struct heartbeat *hb)
{
	vip_undrain(hb->vips);
	hb->drained = false;
	hb->left = -1;
	report_drain(hb->rt, 0, 0);
	ask_for_lost_connections(hb);
}

static void perform_one(struct heartbeat *hb, const struct heart_action *action, struct heart_actions *more)
{
	switch (action->kind) {
	case HEART_SEND:
		send_heartbeat(hb, action);
		break;
	case HEART_FENCE:
		fence_was_set(hb, action, vip_extend(hb->vips, action->until), more);
		break;
	case HEART_CLAIM:
		fence_was_set(hb, action, vip_claim(hb->vips, action->until), more);
		ask_for_lost_connections(hb);
		break;
	case HEART_CLOSE:
		vip_close(hb->vips);
		keep(hb); /* before the peer is told: without nft, the next life would open it again */
		break;
	case HEART_RESET:
		vip_reset(hb->vips);
		break;
	case HEART_RELEASE:
		vip_release(hb->vips);
		break;
	case HEART_PREPARE:
		prepare(hb, action->giving);
		break;
	case HEART_DRAIN:
		begin_drain(hb);
		keep(hb);
		break;
	case HEART_UNDRAIN:
		end_drain(hb);
		break;
	case HEART_ANNOUNCE:
		vip_announce(hb->vips, clock_now());
		break;
	case HEART_EPOCH:
		if (hb->epochs)
			epoch_file_keep(hb->epochs, action->epoch);
		break;
	case HEART_TRANSITION:
		report_transition(hb->rt, &hb->heart, action);
		if (action->to == NODE_PASSIVE || action->to == NODE_DRAINING)
			vip_meet(hb->vips);
		break;
	case HEART_NOTE:
		report_note(hb->rt, &hb->heart, action);
		break;
	case HEART_SWITCHED:
		switchover_ended(hb, action->error, action->text);
		break;
	case HEART_STOPPED:
		stopped(hb);
		break;
	}
}

static void perform(struct heartbeat *hb, const struct heart_actions *actions)
{
	struct heart_actions more;

	more.n = 0;
	for (unsigned i = 0; i < actions->n; i++) {
		if (more.n == 0 || !heart_is_void(&hb->heart, &actions->list[i]))
			perform_one(hb, &actions->list[i], &more);
	}
	if (more.n)
		perform(hb, &more);
}

/* --- a turn --- */

static void on_datagram(void *ctx, size_t link, const uint8_t *bytes, size_t n, nanos at)
{
	struct heartbeat *hb = ctx;
	struct wire_message message;
	struct heart_actions actions; /* 12 KB: only what is counted is filled in */
	int reason = mac_open(hb->mac, bytes, n, &message);

	actions.n = 0;
	if (reason == REJECT_NONE)
		reason = heart_receive(&hb->heart, (unsigned)link, &message, at, &actions);
	if (reason != REJECT_NONE)
		hb->rejected[reason]++;
	perform(hb, &actions);
}

static void read_links(struct heartbeat *hb)
{
	for (size_t i = 0; hb->links && i < links_count(hb->links); i++)
		hb->rejected[REJECT_LINK] += links_read(hb->links, i, on_datagram, hb);
}

/* During a silence that may end in a claim: does anybody else answer for a VIP? */
static void probe_in_silence(struct heartbeat *hb, nanos now)
{
	const struct heart *heart = &hb->heart;
	nanos quiet = detect_quiet(&heart->detect, now), interval = heart->settings.interval;

	if (!heart->settings.has_peer || vip_held(hb->vips) ||
	    (heart->state != NODE_PASSIVE && heart->state != NODE_STARTING))
		return;
	if (quiet < interval + interval / 2 || quiet > PROBE_FOR || now - hb->last_probe < 2 * interval)
		return;
	hb->last_probe = now;
	vip_probe(hb->vips, now);
}

static void tell_usable(struct heartbeat *hb, nanos now)
{
	struct heart_actions actions = {0};

	if (!hb->usable_changed)
		return;
	hb->usable_changed = false;
	heart_usable(&hb->heart, hb->usable, hb->usable_why, now, &actions);
	perform(hb, &actions);
}

static void tell_drain(struct heartbeat *hb)
{
	struct heart_actions actions;

	actions.n = 0;
	if (hb->prepared_changed) {
		hb->prepared_changed = false;
		heart_prepared(&hb->heart, hb->prepared_error == 0, clock_now(), &actions);
		perform(hb, &actions);
	}
	actions.n = 0;
	if (hb->drained) {
		hb->drained = false;
		heart_drained(&hb->heart, clock_now(), &actions);
		perform(hb, &actions);
	}
}

/* Each node looks again before the VIP moves for what one of them does not reach. */
static void ask_for_checks(struct heartbeat *hb, nanos now)
{
	struct msg_check m = {.since = heart_owes_proof(&hb->heart)};

	if (m.since == 0 || (m.since == hb->checks_since && now - hb->checks_asked < CHECKS_AGAIN))
		return;
	hb->checks_since = m.since;
	hb->checks_asked = now;
	ipc_send(hb->rt->peers[ROLE_PROXY], MSG_CHECK, &m, -1);
}

static void sleep_until_due(struct heartbeat *hb)
{
	nanos due = heart_due(&hb->heart), vip = vip_due(hb->vips);

	due = sooner(due, vip);
	if (due == NANOS_NEVER) {
		event_del(hb->timer);
		return;
	}
	/* Rounded up: a microsecond early would be a turn for nothing. */
	timer_after(hb->timer, due - clock_now() + NS_PER_US - 1);
}

/* What follows every event, after the heart has had its say. */
static void end_of_turn(struct heartbeat *hb)
{
	int error;

	tell_usable(hb, clock_now());
	tell_drain(hb);
	ask_on(&hb->ask, &hb->heart, hb->rt->peers[ROLE_ADMIN], clock_now());
	ask_for_checks(hb, clock_now());
	keep(hb);
	error = hb->epochs ? epoch_file_error(hb->epochs) : 0;
	if (error)
		log_warning("the epoch is not on disk: %s", strerror(-error));
	sleep_until_due(hb);
}

/* Until the clock, read after that, shows that nothing can have come meanwhile that should have been read. */
static nanos read_dry(struct heartbeat *hb)
{
	nanos began, now = clock_now();

	for (unsigned tries = 0; tries < READ_TRIES; tries++) {
		began = now;
		read_links(hb);
		now = clock_now();
		if (now - began < LEASE_SLACK)
			break;
	}
	return now;
}

static void turn(struct heartbeat *hb)
{
	struct heart_actions actions;
	nanos now;

	actions.n = 0;
	ask_read(&hb->ask, &hb->heart);
	now = read_dry(hb);
	heart_turn(&hb->heart, now, &actions);
	perform(hb, &actions);
	probe_in_silence(hb, now);
	vip_turn(hb->vips, clock_now());
	end_of_turn(hb);
}

/* Before anything is told to the heart: a process that stood still hears the peer first. */
static void catch_up(struct heartbeat *hb)
{
	if (hb->started && heart_overdue(&hb->heart, clock_now()))
		turn(hb);
}

static void on_wake(evutil_socket_t fd, short what, void *ctx)
{
	turn(ctx);
}

static void on_vip_news(evutil_socket_t fd, short what, void *ctx)
{
	struct heartbeat *hb = ctx;

	catch_up(hb);
	vip_read(hb->vips, clock_now());
	end_of_turn(hb);
}

static void on_report(evutil_socket_t fd, short what, void *ctx)
{
	struct heartbeat *hb = ctx;

	report_snapshot(hb->rt, &hb->heart, hb->vips, hb->rejected, hb->realtime);
}

/* --- what vip/ says --- */

static void on_vip_event(void *ctx, enum vip_event event, const char *subject, const char *text)
{
	struct heartbeat *hb = ctx;

	report_vip(hb->rt, &hb->heart, event, subject, text);
}

static void on_vip_usable(void *ctx, bool usable, const char *why)
{
	struct heartbeat *hb = ctx;

	/* vip/ is in the middle of its work: the heart is told at the end of the turn. */
	hb->usable_changed = true;
	hb->usable = usable;
	hb->usable_why = why;
}

static void on_vip_prepared(void *ctx, int error)
{
	struct heartbeat *hb = ctx;

	if (error)
		log_warning("this switchover will break connections: %s", strerror(-error));
	hb->prepared_changed = true;
	hb->prepared_error = error;
}

static void on_vip_left(void *ctx, long left)
{
	struct heartbeat *hb = ctx;

	if (hb->heart.state != NODE_DRAINING)
		return;
	if (left != hb->left)
		report_drain(hb->rt, (uint32_t)left, hb->heart.handover.until);
	hb->left = left;
	/* The peer must hold, or a connection that begins just now would be forgotten. */
	hb->drained = left == 0 && heart_peer_holds_now(&hb->heart, clock_now());
}

static const struct vip_handler vip_handler = {on_vip_event, on_vip_usable, on_vip_prepared, on_vip_left};

static size_t wishes_of(const struct role_runtime *rt, const struct config *config, struct vip_wish *ret)
{
	const char *override = config->nodes[rt->node].interface;

	for (size_t i = 0; i < config->n_vips; i++) {
		const struct config_vip *vip = &config->vips[i];

		ret[i] = (struct vip_wish){.ip = vip->ip, .prefix_len = vip->prefix_len};
		snprintf(ret[i].interface, sizeof(ret[i].interface), "%s",
			 *override ? override : vip->interface);
	}
	return config->n_vips;
}

/* --- start --- */

/* Real-time, and never waiting for a page from disk. What is refused is said: it decides how small an interval is safe. */
static bool become_realtime(void)
{
	struct sched_param param = {.sched_priority = REALTIME_PRIORITY};
	bool granted = sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param) == 0;

	if (!granted)
		log_warning("no real-time priority (%s): on a busy machine heartbeats may be late, and the "
			    "pair may "
			    "move without need; grant CAP_SYS_NICE or raise the interval",
			    strerror(errno));
	return granted;
}

/* Is later memory locked without a limit? sandbox_enter() keeps CAP_IPC_LOCK. */
static bool may_lock_more(void)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	cap_flag_value_t value = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	if (caps)
		cap_get_flag(caps, CAP_IPC_LOCK, CAP_EFFECTIVE, &value);
	cap_free(caps);
	return value == CAP_SET || setrlimit(RLIMIT_MEMLOCK, &unlimited) == 0;
}

static void lock_memory(void)
{
	/* With a limit, memory that is wanted later would be refused past it: then only what is there is locked. */
	if (mlockall(MCL_CURRENT | (may_lock_more() ? MCL_FUTURE : 0)))
		log_warning("memory is not locked (%s): under memory pressure heartbeats may be late",
			    strerror(errno));
}

static struct heart_settings settings_of(const struct heartbeat *hb, const struct config *config)
{
	const struct role_runtime *rt = hb->rt;
	const struct config_node *node = &config->nodes[rt->node];
	struct heart_settings settings = {
		.has_peer = config->n_nodes > 1,
		.interval = config->cluster.interval,
		.dead_after = config->cluster.dead_after,
		.start_wait = config->cluster.start_wait,
		.preempt = config->cluster.preempt,
		.priority = node->priority,
		.node = mac_node_id(node->name),
		.digest = wire_number(config->digest),
		.can_drain = vip_can_drain(hb->vips),
		.drain_timeout = config->cluster.drain_timeout,
		.witness = config->cluster.witness.kind,
		.witness_wait = config->cluster.witness.kind == WITNESS_ETCD
					? config->cluster.witness.ttl + KEY_LATE
					: 0,
		.linger = vip_fenced(hb->vips) ? 0 : VIP_LINGERS,
	};

	if (settings.has_peer) {
		settings.n_links = node->n_links;
		settings.peer = mac_node_id(config->nodes[1 - rt->node].name);
	}
	return settings;
}

/* One whose supervisor was killed may still be saying goodbye, for a second at most (role.c), and has the ports meanwhile. */
static int open_links(struct heartbeat *hb)
{
	const struct config *config = hb->rt->config;
	const struct config_node *node = &config->nodes[hb->rt->node];
	nanos until = clock_now() + EARLIER_LIFE;
	int error;

	if (config->n_nodes < 2)
		return 0;
	while ((error = links_open(node->links, config->nodes[1 - hb->rt->node].links, node->n_links,
				   &hb->links)) == -EADDRINUSE &&
	       clock_now() < until)
		usleep(EARLIER_LIFE_POLL / NS_PER_US);
	if (error)
		log_error("heartbeat links: %s", strerror(-error));
	return error;
}

static int open_mac(struct heartbeat *hb)
{
	uint8_t cluster[WIRE_CLUSTER];

	if (!hb->has_secret) {
		log_error("the supervisor gave no secret");
		return -ENOKEY;
	}
	mac_cluster_id(hb->rt->config->cluster.name, cluster);
	hb->mac = mac_new(&hb->secret, cluster);
	secret_forget(&hb->secret);
	return hb->mac ? 0 : -ENOMEM;
}

static int open_epochs(struct heartbeat *hb, uint64_t *ret_epoch)
{
	int error = epoch_file_open(hb->rt->state_dir, &hb->epochs, ret_epoch);

	if (error == -EBADMSG) {
		log_warning("%s/epoch is not a number: counting from what the peer says", hb->rt->state_dir);
		return 0;
	}
	if (error)
		log_error("%s: %s", hb->rt->state_dir, strerror(-error));
	return error;
}

static struct event *add_event(struct heartbeat *hb, int fd, short what, event_callback_fn callback,
			       int priority)
{
	struct event *event = event_new(hb->rt->base, fd, what, callback, hb);

	if (!event || event_priority_set(event, priority) || ((what & EV_READ) && event_add(event, NULL)))
		log_fatal("out of memory");
	return event;
}

static void add_events(struct heartbeat *hb)
{
	struct timeval every = clock_timeval(REPORT_EVERY);

	hb->timer = add_event(hb, -1, 0, on_wake, FIRST);
	for (size_t i = 0; hb->links && i < links_count(hb->links); i++)
		hb->link_events[i] =
			add_event(hb, links_fd(hb->links, i), EV_READ | EV_PERSIST, on_wake, FIRST);
	hb->vip_event = add_event(hb, vip_fd(hb->vips), EV_READ | EV_PERSIST, on_vip_news, SECOND);
	hb->report = add_event(hb, -1, EV_PERSIST, on_report, LAST);
	event_add(hb->report, &every);
}

/* The witness that the configuration names, or none can be asked: then it does not say yes. */
static void open_ask(struct heartbeat *hb, const struct config *config)
{
	int error;

	if (hb->ask_event)
		event_free(hb->ask_event);
	hb->ask_event = NULL;
	error = ask_open(&hb->ask, config);
	if (error)
		log_error("the witness can't be asked: %s", strerror(-error));
	if (ask_fd(&hb->ask) >= 0)
		hb->ask_event = add_event(hb, ask_fd(&hb->ask), EV_READ | EV_PERSIST, on_wake, FIRST);
}

/*
 * Is there an earlier life of this role whose lease goes on? Then the same boot, and fence and addresses stay as they are;
 * else a clean slate and a new boot.
 */
static int come_to_life(struct heartbeat *hb, uint64_t epoch, struct heart_actions *out)
{
	struct vip_wish wishes[CONFIG_VIPS_MAX];
	size_t n = wishes_of(hb->rt, hb->rt->config, wishes);
	struct heart_settings settings = settings_of(hb, hb->rt->config);
	struct memory_record record;
	bool holds = false, resumed;
	uint64_t boot;
	int error;

	resumed = hb->memory && memory_load(hb->memory, &record) && record.boot &&
		  heart_resume(&hb->heart, &settings, &record, clock_now(), &holds, out);
	error = vip_set(hb->vips, wishes, n, holds, holds ? hb->heart.fence_end : 0);
	if (error) {
		log_error("interfaces: %s", strerror(-error));
		return error;
	}
	settings = settings_of(hb, hb->rt->config); /* by now it is known whether there is a fence */
	if (resumed) {
		log_info("carries on after %s: boot %016llx, %s", "a restart of this process",
			 (unsigned long long)hb->heart.boot,
			 holds ? "still holding the VIP" : "not holding the VIP");
		heart_change(&hb->heart, &settings, clock_now(), out);
	} else {
		error = mac_random_boot(&boot);
		if (error)
			return error;
		heart_init(&hb->heart, &settings, boot, epoch, clock_now(), out);
	}
	return 0;
}

/* The proxy says how it is on its new channel; without a channel there is no proxy. */
static void hear_of_the_proxy(struct heartbeat *hb)
{
	struct heart_actions actions = {0};

	if (hb->rt->peers[ROLE_PROXY])
		return;
	heart_fitness(&hb->heart, FITNESS_DEAD, clock_now(), &actions);
	perform(hb, &actions);
}

static int start(struct role_runtime *rt)
{
	struct heartbeat *hb = self(rt);
	struct heart_actions actions = {0};
	uint64_t epoch = 0;
	const char *why;
	int error;

	hb->realtime = become_realtime();
	error = open_mac(hb);
	if (!error)
		error = open_links(hb);
	if (!error)
		error = open_epochs(hb, &epoch);
	if (!error)
		error = vip_new(rt->node_name, &vip_handler, hb, &hb->vips);
	if (!error)
		error = come_to_life(hb, epoch, &actions);
	if (error)
		return error;
	add_events(hb);
	open_ask(hb, rt->config);
	/* A lease that goes on is renewed before anything else is taken care of. */
	perform(hb, &actions);
	vip_probe(hb->vips, clock_now()); /* does nothing while it holds */
	hb->usable = vip_usable(hb->vips, &why);
	hb->usable_why = why;
	hb->usable_changed = true; /* an earlier life may have known otherwise */
	turn(hb);

	lock_memory();
	error = sandbox_enter(SANDBOX_HEARTBEAT, geteuid() == 0 ? rt->config->proxy.user : "");
	if (!error)
		error = vip_run(hb->vips);
	if (!error)
		error = epoch_file_start(hb->epochs);
	if (error)
		return error;
	hb->started = true;
	report_state(rt, &hb->heart);
	hear_of_the_proxy(hb);
	turn(hb);
	return 0;
}

/* --- messages --- */

static void take_secret(struct heartbeat *hb, int fd)
{
	char text[SECRET_TEXT_MAX];
	ssize_t n = pread(fd, text, sizeof(text), 0);
	struct secret secret;
	unsigned line;
	const char *why = "it can't be read";

	if (n < 0 || secret_parse(text, (size_t)n, &secret, &line, &why))
		log_fatal("secret: %s", why); /* the supervisor had checked it */
	explicit_bzero(text, sizeof(text));
	if (hb->started) {
		struct mac *old = hb->mac;

		hb->secret = secret;
		hb->has_secret = true;
		if (open_mac(hb))
			log_fatal("out of memory");
		mac_free(old);
		log_debug("signs with key %u, accepts %zu", (unsigned)secret.keys[0].id, secret.n);
	} else {
		hb->secret = secret;
		hb->has_secret = true;
	}
	secret_forget(&secret);
}

static void take_memory(struct heartbeat *hb, int fd)
{
	struct stat st;
	void *memory;

	if (fstat(fd, &st) || st.st_size < (off_t)sizeof(struct memory))
		log_fatal("the shared memory is too small");
	memory = mmap(NULL, sizeof(struct memory), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		log_fatal("shared memory: %s", strerror(errno));
	hb->memory = memory;
}

static void take_fitness(struct heartbeat *hb, const struct msg_fitness *m)
{
	struct heart_actions actions = {0};

	if (m->class >= FITNESS_COUNT)
		log_fatal("fitness %u", m->class);
	log_debug("proxy: fitness %u %s", m->class, m->reason);
	catch_up(hb);
	heart_fitness(&hb->heart, m->class, clock_now(), &actions);
	perform(hb, &actions);
	actions.n = 0;
	heart_servers(&hb->heart, !m->no_servers, m->seen, m->missed, clock_now(), &actions);
	perform(hb, &actions);
	turn(hb);
}

static void take_switchover(struct heartbeat *hb, const struct msg_request *m)
{
	struct heart_actions actions = {0};
	struct msg_reply reply = {.id = m->id, .error = -EALREADY};
	const char *text = "another switchover is going on";

	catch_up(hb);
	if (!hb->switchover) {
		reply.error = heart_switchover(&hb->heart, clock_now(), &text, &actions);
		hb->switchover = reply.error ? 0 : m->id;
	}
	if (reply.error) {
		MSG_TEXT(reply.text, text);
		ipc_send(hb->rt->peers[ROLE_ADMIN], MSG_REPLY, &reply, -1);
	}
	perform(hb, &actions);
	turn(hb);
}

static void on_message(struct role_runtime *rt, enum role from, enum msg_type type, const union msg_any *m,
		       int fd)
{
	struct heartbeat *hb = self(rt);

	switch (type) {
	case MSG_SECRET:
		take_secret(hb, fd);
		break;
	case MSG_MEMORY:
		take_memory(hb, fd);
		break;
	case MSG_FITNESS:
		take_fitness(hb, &m->m_FITNESS);
		break;
	case MSG_WITNESS:
		ask_take(&hb->ask, &hb->heart, &m->m_WITNESS);
		turn(hb);
		break;
	case MSG_FLOWS:
		take_flows(hb, &m->m_FLOWS);
		break;
	case MSG_SWITCHOVER:
		take_switchover(hb, &m->m_SWITCHOVER);
		break;
	default:
		log_fatal("message %s from %s", msg_infos[type].name, role_name(from));
	}
	if (fd >= 0)
		close(fd);
}

static void on_link(struct role_runtime *rt, enum role peer)
{
	struct heartbeat *hb = self(rt);

	report_state_to(rt, &hb->heart, peer);
	if (peer == ROLE_ADMIN) {
		hb->ask.told = 0; /* a new one knows nothing */
		on_report(-1, 0, hb);
		end_of_turn(hb);
	}
	if (peer == ROLE_ADMIN && hb->heart.state == NODE_DRAINING && hb->left >= 0)
		report_drain(hb->rt, (uint32_t)hb->left, hb->heart.handover.until);
}

static void on_gone(struct role_runtime *rt, enum role peer)
{
	struct heartbeat *hb = self(rt);

	if (peer == ROLE_ADMIN)
		hb->switchover = 0; /* nobody waits any more; the switchover itself goes on */
	if (peer != ROLE_PROXY || !hb->started)
		return;
	catch_up(hb);
	hear_of_the_proxy(hb);
	turn(hb);
}

/* --- reload and stop --- */

static bool same_wishes(const struct vips *vips, const struct vip_wish *wishes, size_t n)
{
	struct vip_wish have;

	for (size_t i = 0; i < n; i++)
		if (!vip_describe(vips, i, &have) || !ip_equal(&have.ip, &wishes[i].ip) ||
		    have.prefix_len != wishes[i].prefix_len ||
		    (wishes[i].interface[0] && strcmp(have.interface, wishes[i].interface) != 0))
			return false;
	return !vip_describe(vips, n, &have);
}

static void on_config(struct role_runtime *rt, const struct config *next)
{
	struct heartbeat *hb = self(rt);
	struct heart_actions actions = {0};
	struct vip_wish wishes[CONFIG_VIPS_MAX];
	size_t n = wishes_of(rt, next, wishes);
	struct heart_settings settings;

	catch_up(hb);
	if (!same_wishes(hb->vips, wishes, n)) {
		int error = vip_set(hb->vips, wishes, n, false, 0);

		if (error)
			log_error("VIPs of the new configuration: %s", strerror(-error));
	}
	open_ask(hb, next);
	settings = settings_of(hb, next);
	heart_change(&hb->heart, &settings, clock_now(), &actions);
	perform(hb, &actions);
	turn(hb);
}

static void on_stop(struct role_runtime *rt)
{
	struct heartbeat *hb = self(rt);
	struct heart_actions actions = {0};

	catch_up(hb);
	heart_stop(&hb->heart, clock_now(), &actions);
	perform(hb, &actions);
	turn(hb);
}

/* The other roles are killed with the supervisor: there is nothing to drain, and the peer is to know at once. */
static void on_orphaned(struct role_runtime *rt)
{
	struct heartbeat *hb = self(rt);
	struct heart_actions actions = {0};

	heart_fitness(&hb->heart, FITNESS_DEAD, clock_now(), &actions);
	perform(hb, &actions);
	on_stop(rt);
	if (!hb->heart.stopped) /* a drain that goes on is not waited for */
		on_stop(rt);
}

const struct role_ops heartbeat_role = {
	.self = ROLE_HEARTBEAT,
	.start = start,
	.on_message = on_message,
	.on_link = on_link,
	.on_gone = on_gone,
	.on_config = on_config,
	.on_stop = on_stop,
	.on_orphaned = on_orphaned,
};
