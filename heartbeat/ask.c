/*
 * ask.c: see ask.h.
 */
#include "heartbeat/ask.h"

#include "heartbeat/obey.h"

int ask_open(struct ask *ask, const struct config *config)
{
	struct ip vips[CONFIG_VIPS_MAX];

	_Static_assert(CONFIG_TARGETS_MAX <= GATEWAY_TARGETS_MAX, "every target is asked");
	for (size_t i = 0; i < config->n_vips; i++)
		vips[i] = config->vips[i].ip;
	gateway_free(ask->gateway);
	*ask = (struct ask){.etcd = config->cluster.witness.kind == WITNESS_ETCD};
	if (config->cluster.witness.kind != WITNESS_GATEWAY)
		return 0;
	return gateway_new(config->cluster.witness.targets, config->cluster.witness.n_targets, vips,
			   config->n_vips, &ask->gateway);
}

int ask_fd(const struct ask *ask)
{
	return ask->gateway ? gateway_fd(ask->gateway) : -1;
}

void ask_read(struct ask *ask, struct heart *heart)
{
	nanos sent = ask->gateway ? gateway_read(ask->gateway) : 0;

	if (sent > heart->witness.asked)
		heart_witness(heart, heart->witness.question, WITNESS_YES, sent,
			      sent + heart->terms.dead - heart->terms.margin);
}

void ask_take(struct ask *ask, struct heart *heart, const struct msg_witness *m)
{
	if (ask->etcd)
		heart_witness(heart, m->question, (enum witness_answer)m->answer, m->asked, m->until);
}

void ask_on(struct ask *ask, const struct heart *heart, struct ipc *admin, nanos now)
{
	const struct witness *w = &heart->witness;
	struct msg_witness_ask m = {.question = w->question, .wanted = w->wanted};

	/* Behind a heartbeat, and dated by it: if the probe gets through, so did that. */
	if (ask->gateway && heart->beat_at > ask->probed &&
	    witness_probe_due(heart->beat_at - ask->probed, detect_quiet(&heart->detect, now),
			      heart->terms.interval)) {
		ask->probed = heart->beat_at;
		gateway_probe(ask->gateway, ask->probed);
	}
	if (ask->etcd && w->question != ask->told && ipc_send(admin, MSG_WITNESS_ASK, &m, -1) == 0)
		ask->told = w->question;
}
