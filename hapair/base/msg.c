/* msg.c: the table of messages as data, and the names of their enumerations. */
#include "hapair/base/msg.h"

#include <string.h>

const struct msg_info msg_infos[MSG_COUNT] = {
#define X(name, type, from, to, fd, lossy) [MSG_##name] = {#name, sizeof(struct type), from, to, fd, lossy},
	MSG_TABLE(X)
#undef X
};

static const char *const role_names[ROLE_COUNT] = {"supervisor", "heartbeat", "proxy", "admin", "runner"};
static const char *const node_state_names[NODE_STATE_COUNT] = {"starting", "passive", "active", "draining",
							       "fault"};
static const char *const server_state_names[SERVER_STATE_COUNT] = {"unknown", "up", "down", "drain", "maint"};
static const char *const reject_names[REJECT_COUNT] = {
	[REJECT_SHORT] = "short",     [REJECT_MAGIC] = "magic",   [REJECT_VERSION] = "version",
	[REJECT_CLUSTER] = "cluster", [REJECT_KEY] = "key",       [REJECT_MAC] = "mac",
	[REJECT_NODE] = "node",       [REJECT_REPLAY] = "replay", [REJECT_BOOT] = "boot",
	[REJECT_LINK] = "link",
};

static const char *const witness_answer_names[WITNESS_ANSWER_COUNT] = {"unknown", "yes", "no"};

/* A number from a message may be anything: never an index before it was looked at. */
static const char *name_of(const char *const *names, unsigned count, unsigned i)
{
	return i < count ? names[i] : "?";
}

const char *role_name(enum role role)
{
	return name_of(role_names, ROLE_COUNT, role);
}

const char *link_way_name(enum link_way way)
{
	static const char *const names[LINK_WAY_COUNT] = {
		"", "the peer does not hear this node", "this node does not hear the peer"};

	return name_of(names, LINK_WAY_COUNT, way);
}

const char *node_state_name(enum node_state state)
{
	return name_of(node_state_names, NODE_STATE_COUNT, state);
}

const char *server_state_name(enum server_state state)
{
	return name_of(server_state_names, SERVER_STATE_COUNT, state);
}

const char *witness_answer_name(enum witness_answer answer)
{
	return name_of(witness_answer_names, WITNESS_ANSWER_COUNT, answer);
}

const char *reject_name(int reject)
{
	return name_of(reject_names, REJECT_COUNT, (unsigned)reject);
}

void msg_text(char *field, size_t size, const char *text)
{
	size_t n = strlen(text);

	if (n > size - 1)
		n = size - 1;
	memcpy(field, text, n);
	/* The rest too: a field crosses a border between processes, and carries nothing that was not meant.
	 */
	memset(field + n, 0, size - n);
}
