/*
 * report.c: messages and events, from the heart's words to the contract's.
 */
#include "heartbeat/report.h"

#include <stdio.h>
#include <string.h>

void report_state_to(struct role_runtime *rt, const struct heart *heart, enum role to)
{
	struct msg_state m = {
		.state = heart->state,
		.held = heart_holds(heart, clock_now()),
		.epoch = heart->epoch,
		.since = heart->since,
	};

	if (!rt->peers[to])
		return;
	MSG_TEXT(m.reason, heart->reason ? heart->reason : "");
	ipc_send(rt->peers[to], MSG_STATE, &m, -1);
}

void report_state(struct role_runtime *rt, const struct heart *heart)
{
	report_state_to(rt, heart, ROLE_PROXY);
	report_state_to(rt, heart, ROLE_ADMIN);
	report_state_to(rt, heart, ROLE_RUNNER);
}

static const char *hook_of(enum node_state state)
{
	switch (state) {
	case NODE_ACTIVE:
		return "active";
	case NODE_PASSIVE:
		return "passive";
	case NODE_FAULT:
		return "fault";
	default:
		return NULL;
	}
}

void report_transition(struct role_runtime *rt, const struct heart *heart,
		       const struct heart_action *transition)
{
	const char *hook = transition->from != transition->to ? hook_of(transition->to) : NULL;
	struct msg_hook m = {.epoch = heart->epoch};

	role_event(rt, "state", "", node_state_name(transition->from), node_state_name(transition->to),
		   heart->epoch, "%s", transition->text);
	report_state(rt, heart);
	if (!hook)
		return;
	MSG_TEXT(m.event, hook);
	MSG_TEXT(m.reason, transition->text);
	ipc_send(rt->peers[ROLE_RUNNER], MSG_HOOK, &m, -1);
}

/* What a note is called in `hapair events`. */
static const struct note {
	const char *type, *from, *to;
} notes[] = {
	[HEART_LINK_UP] = {"link", "down", "up"},
	[HEART_LINK_DOWN] = {"link", "up", "down"},
	[HEART_LINK_ONE_WAY] = {"link", "", "one-way"},
	[HEART_LINK_TWO_WAY] = {"link", "one-way", "up"},
	[HEART_PEER_SEEN] = {"peer", "", "seen"},
	[HEART_PEER_LOST] = {"peer", "", "lost"},
	[HEART_PEER_LEFT] = {"peer", "", "left"},
	[HEART_PEER_STATE] = {"peer", "", ""},
	[HEART_PEER_STRANGER] = {"peer", "", "stranger"},
	[HEART_CONFIG_DIFFERS] = {"config", "", "differs"},
	[HEART_CONFIG_MATCHES] = {"config", "", "matches"},
	[HEART_REACH_LOST] = {"reach", "", "lost"},
	[HEART_REACH_BACK] = {"reach", "lost", "back"},
	[HEART_WITHHELD] = {"vip", "", "withheld"},
	[HEART_STAYS] = {"state", "", "stays"},
	[HEART_HELD_DOWN] = {"damping", "calm", "held down"},
	[HEART_CALM] = {"damping", "held down", "calm"},
};

static const char *peer_name(const struct role_runtime *rt)
{
	return rt->config->n_nodes > 1 ? rt->config->nodes[1 - rt->node].name : "";
}

void report_note(struct role_runtime *rt, const struct heart *heart, const struct heart_action *action)
{
	const struct note *note = &notes[action->subject];
	const char *from = note->from, *to = note->to, *subject = "", *text = action->text;
	char link[ADDR_TEXT_MAX] = "";

	switch (action->subject) {
	case HEART_LINK_UP:
	case HEART_LINK_DOWN:
	case HEART_LINK_ONE_WAY:
	case HEART_LINK_TWO_WAY:
		subject = addr_format(&rt->config->nodes[rt->node].links[action->link], link);
		if (action->subject == HEART_LINK_ONE_WAY)
			text = link_way_name(heart->detect.links[action->link].way);
		break;
	case HEART_PEER_STATE:
		from = node_state_name(action->from);
		to = node_state_name(action->to);
		subject = peer_name(rt);
		break;
	case HEART_REACH_LOST:
	case HEART_REACH_BACK:
	case HEART_WITHHELD:
	case HEART_STAYS:
	case HEART_CALM:
		break;
	case HEART_HELD_DOWN:
		role_event(rt, note->type, "", from, to, heart->epoch,
			   "%d moves within %lld s: no preference for %lld s", DAMPING_MOVES,
			   (long long)(DAMPING_WINDOW / NS_PER_S),
			   (long long)(heart->damping.hold / NS_PER_S));
		return;
	default:
		subject = peer_name(rt);
	}
	role_event(rt, note->type, subject, from, to, heart->epoch, "%s", text ? text : "");
}

void report_vip(struct role_runtime *rt, const struct heart *heart, enum vip_event event, const char *subject,
		const char *text)
{
	static const struct note vip_notes[] = {
		[VIP_LINK_UP] = {"link", "down", "up"},
		[VIP_LINK_DOWN] = {"link", "up", "down"},
		[VIP_ADDRESS_RESTORED] = {"vip", "removed", "restored"},
		[VIP_ADDRESS_FAILED] = {"vip", "", "failed"},
		[VIP_FENCE_RESTORED] = {"vip", "removed", "restored"},
		[VIP_FENCE_FAILED] = {"vip", "", "failed"},
		[VIP_FOREIGN_HOLDER] = {"vip", "", "foreign holder"},
	};
	const struct note *note = &vip_notes[event];

	if (event == VIP_FENCE_RESTORED || event == VIP_FENCE_FAILED)
		subject = "fence";
	role_event(rt, note->type, subject, note->from, note->to, heart->epoch, "%s", text);
}

static void send_pair(struct role_runtime *rt, const struct heart *heart, const struct vips *vips,
		      const uint64_t *rejected, bool realtime)
{
	struct msg_pair m = {0};

	heart_describe(heart, clock_now(), &m);
	MSG_TEXT(m.peer, peer_name(rt));
	for (size_t i = 0; i < m.n_links; i++) {
		m.links[i].local = rt->config->nodes[rt->node].links[i];
		m.links[i].remote = rt->config->nodes[1 - rt->node].links[i];
	}
	for (size_t i = 0; i < REJECT_COUNT; i++)
		m.rejected[i] = rejected[i];
	m.realtime = realtime;
	m.fenced = vip_fenced(vips);
	ipc_send(rt->peers[ROLE_ADMIN], MSG_PAIR, &m, -1);
}

static void send_vips(struct role_runtime *rt, const struct vips *vips)
{
	struct vip_wish wish;
	uint32_t count = 0;

	while (vip_describe(vips, count, &wish))
		count++;
	for (uint32_t i = 0; i < count; i++) {
		struct msg_vip m = {.index = i, .count = count, .held = vip_held(vips)};

		vip_describe(vips, i, &wish);
		m.ip = wish.ip;
		m.prefix_len = wish.prefix_len;
		MSG_TEXT(m.interface, wish.interface);
		ipc_send(rt->peers[ROLE_ADMIN], MSG_VIP, &m, -1);
	}
}

void report_snapshot(struct role_runtime *rt, const struct heart *heart, const struct vips *vips,
		     const uint64_t *rejected, bool realtime)
{
	if (!rt->peers[ROLE_ADMIN])
		return;
	send_pair(rt, heart, vips, rejected, realtime);
	send_vips(rt, vips);
}

void report_drain(struct role_runtime *rt, uint32_t left, nanos until)
{
	struct msg_drain m = {.left = left, .until = until};

	ipc_send(rt->peers[ROLE_SUPERVISOR], MSG_DRAIN, &m, -1);
	if (rt->peers[ROLE_ADMIN])
		ipc_send(rt->peers[ROLE_ADMIN], MSG_DRAIN, &m, -1);
}
