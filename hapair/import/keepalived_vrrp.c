/* keepalived_vrrp.c: vrrp_instance: who the two nodes are, how fast they are, what they hold. */
#include "hapair/import/keepalived_vrrp.h"

#include "hapair/config/value.h"

#include <stdlib.h>
#include <string.h>

#define LINK_PORT 7946

static const struct {
	const char *keyword, *why;
} foreign[] = {
	{"virtual_router_id", "a pair knows itself by the cluster's name and secret"},
	{"track_script", "hapair sees its own processes die at once, and runs no scripts to decide"},
	{"track_process", "hapair sees its own processes die at once"},
	{"track_interface", "hapair watches the interface of each VIP in any case"},
	{"track_file", "hapair reads no files to decide"},
	{"track_bfd", "hapair's heartbeats are fast enough"},
	{"preempt_delay",
	 "a node that may preempt waits until it has proved itself; start_wait is its least"},
	{"mcast_src_ip", "hapair's heartbeats are unicast"},
	{"vrrp_garp_master_delay", "hapair announces on a schedule of its own"},
	{"version", "hapair's heartbeats are its own, signed"},
	{"use_vmac", "hapair announces a VIP with the interface's own MAC address"},
	{"vmac_xmit_base", "hapair announces a VIP with the interface's own MAC address"},
	{"virtual_routes", "hapair sets no routes; a program of notify can"},
	{"virtual_rules", "hapair sets no rules; a program of notify can"},
	{"smtp_alert", "hapair sends no mail; a program of notify can"},
	{"notify", "hapair tells its programs by the environment: notify { active = ...  passive = ... }"},
	{"notify_stop", "passive is told in this case too"},
	{"debug", "hapair events tells what happened and why"},
	{"lvs_sync_daemon_interface", "hapair's nodes share what they must by themselves"},
	{"dont_track_primary", "hapair watches the interface of each VIP in any case"},
	{"nopreempt", "the first vrrp_instance decides"},
	{"accept", "the node answers at a VIP that it holds in any case"},
};

static void note(struct target *t, const struct keepalived_item *item, const char *why)
{
	note_add(&t->pair, t->arena, &item->line, "%s", why);
}

/* The lines below, for a block that has no counterpart. */
void keepalived_note_all(struct target *t, struct notes *notes, const struct keepalived_item *item,
			 const char *why)
{
	note_add(notes, t->arena, &item->line, "%s", why);
	for (const struct keepalived_item *child = item->children; child; child = child->next)
		keepalived_note_all(t, notes, child, "its block has no counterpart");
}

/* Seconds, perhaps with a fraction: 1, 0.25. Exact to a millisecond. */
static bool read_seconds(const char *text, nanos *ret)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds > 0) || seconds > 3600)
		return false;
	*ret = (nanos)(seconds * 1000 + 0.5) * MS(1);
	return true;
}

static const char *read_number(const char *text, unsigned max, unsigned *ret)
{
	uint64_t value;

	if (config_count_parse(text, &value) || value > max)
		return "no number that hapair has";
	*ret = (unsigned)value;
	return NULL;
}

/* `ADDRESS[/LENGTH] [brd X] [dev X] [scope X] [label X] ...` */
static void read_address(struct target *t, const struct keepalived_item *item, const char *interface)
{
	struct ip ip;
	uint8_t length;
	const char *address = item->words[0];
	char text[IP_TEXT_MAX];

	if (ip_parse_prefix(span_of(address), &ip, &length) == 0 || ip_parse(span_of(address), &ip) == 0) {
		if (!strchr(address, '/'))
			length = ip.family == AF_INET6 ? 128 : 32;
	} else {
		note(t, item, "no address");
		return;
	}
	for (size_t i = 1; i < item->n; i += 2) {
		if (strcmp(item->words[i], "dev") == 0 && i + 1 < item->n)
			interface = item->words[i + 1];
		else
			note_add(&t->pair, t->arena, &item->line, "%s: a VIP of hapair has an interface only",
				 item->words[i]);
	}
	for (const struct target_vip *vip = t->vips; vip; vip = vip->next) {
		size_t n = strcspn(vip->address, "/");

		if (strncmp(vip->address, ip_format(&ip, text), n) == 0 && !text[n]) {
			note(t, item, "this VIP is there already");
			return;
		}
	}
	target_add_vip(t, arena_printf(t->arena, "%s/%u", ip_format(&ip, text), length), interface);
}

static void read_addresses(struct target *t, const struct keepalived_item *block, const char *interface)
{
	for (const struct keepalived_item *item = block->children; item; item = item->next)
		read_address(t, item, interface);
}

static const char *link_of(struct target *t, const char *address)
{
	struct addr a = {.port = LINK_PORT};
	char text[ADDR_TEXT_MAX];

	if (ip_parse(span_of(address), &a.ip) < 0)
		return NULL;
	return arena_text(t->arena, span_of(addr_format(&a, text)));
}

/* The pair: this node by unicast_src_ip, the other by unicast_peer. */
static void read_nodes(struct target *t, const struct keepalived_item *instance, const char *name)
{
	const struct keepalived_item *own = keepalived_child(instance, "unicast_src_ip"),
				     *peers = keepalived_child(instance, "unicast_peer"),
				     *priority = keepalived_child(instance, "priority"),
				     *state = keepalived_child(instance, "state");
	bool master = state && state->n > 1 && strcmp(state->words[1], "MASTER") == 0;
	struct target_node *node = t->nodes;
	const char *link = own && own->n > 1 ? link_of(t, own->words[1]) : NULL, *why;
	unsigned value = 100;

	why = priority && priority->n > 1 ? read_number(priority->words[1], 65535, &value) : NULL;
	if (why)
		note(t, priority, why);
	node[0] = (struct target_node){.name = name, .priority = value};
	t->n_nodes = 1;
	if (link)
		node[0].links[node[0].n_links++] = link;
	for (const struct keepalived_item *peer = peers ? peers->children : NULL; peer; peer = peer->next) {
		const char *other = link_of(t, peer->words[0]);

		if (!other || !link || t->n_nodes == 2) {
			note(t, peer,
			     !other  ? "no address"
			     : !link ? "this node's own address is missing: unicast_src_ip, or hapair import "
				       "--node"
				     : "two nodes make a pair; a third has no place");
			continue;
		}
		node[1] = (struct target_node){
			.name = strcmp(name, "peer") == 0 ? "other" : "peer", .links = {other}, .n_links = 1};
		node[1].priority = master ? (value > 10 ? value - 10 : 0) : value + 10;
		t->n_nodes = 2;
		note(t, peer, "this file tells neither name nor priority of the other node; its own does");
	}
	if (t->n_nodes == 1)
		note(t, instance,
		     "it does not tell where the other node is: hapair import --node NAME=ADDRESS --node "
		     "NAME=ADDRESS");
}

static const char *set_hook(const struct keepalived_item *item, const char **hook)
{
	if (item->n < 2 || config_file_wrong(item->words[1]) || strchr(item->words[1], ' '))
		return "a program of notify is one absolute file name, without arguments";
	if (**hook)
		return "there is one already";
	*hook = item->words[1];
	return NULL;
}

/* NULL, or why the line is a note. `first`: this instance says who the pair is. */
static const char *read_item(struct target *t, const struct keepalived_item *item, const char *interface,
			     bool first)
{
	const char *keyword = item->words[0];
	static const char *const of_first[] = {"priority", "unicast_src_ip", "unicast_peer"};

	if (strcmp(keyword, "interface") == 0)
		return NULL;
	if (strcmp(keyword, "state") == 0)
		return "hapair finds out who is active by itself, by priority between equals";
	for (size_t i = 0; i < 3; i++)
		if (strcmp(keyword, of_first[i]) == 0)
			return first ? NULL : "all VIPs move together; the first vrrp_instance decides";
	if (strcmp(keyword, "advert_int") == 0 && first)
		return item->n > 1 && read_seconds(item->words[1], &t->interval)
			       ? "kept; hapair can do with 50ms, and is twenty times as fast then"
			       : "no time";
	if (strcmp(keyword, "nopreempt") == 0 && first) {
		t->preempt = 0;
		return NULL;
	}
	if (strcmp(keyword, "virtual_ipaddress") == 0 || strcmp(keyword, "virtual_ipaddress_excluded") == 0) {
		read_addresses(t, item, interface);
		return NULL;
	}
	if (strcmp(keyword, "notify_master") == 0)
		return set_hook(item, &t->active);
	if (strcmp(keyword, "notify_backup") == 0)
		return set_hook(item, &t->passive);
	if (strcmp(keyword, "notify_fault") == 0)
		return set_hook(item, &t->fault);
	if (strncmp(keyword, "garp_", 5) == 0)
		return "hapair announces on a schedule of its own";
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
		if (strcmp(keyword, foreign[i].keyword) == 0)
			return foreign[i].why;
	return "hapair has nothing like it";
}

void keepalived_instance(struct target *t, const struct keepalived_item *instance, const char *node_name)
{
	const struct keepalived_item *interface = keepalived_child(instance, "interface");
	bool first = t->n_nodes == 0;

	if (first) {
		t->cluster = target_name(t->arena, instance->n > 1 ? instance->words[1] : "imported");
		t->preempt = 1;
		read_nodes(t, instance, node_name);
	}
	for (const struct keepalived_item *item = instance->children; item; item = item->next) {
		const char *why;

		if (strcmp(item->words[0], "authentication") == 0) {
			keepalived_note_all(t, &t->pair, item, "heartbeats are signed with secret_file");
			continue;
		}
		why = read_item(t, item, interface && interface->n > 1 ? interface->words[1] : "", first);
		if (why)
			keepalived_note_all(t, &t->pair, item, why);
	}
}
