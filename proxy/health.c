/*
 * health.c: one function for each kind of evidence works on a copy's verdict; health_step() compares what
 * is shown before and after.
 */
#include "proxy/health.h"

static const char *const reasons[] = {
#define X(name, text) text,
	HEALTH_REASONS(X)
#undef X
};

const char *health_reason_text(enum health_reason reason)
{
	return reason < HEALTH_REASON_COUNT ? reasons[reason] : "";
}

void health_init(struct health *h, enum server_state last_known, nanos now)
{
	bool known = last_known == SERVER_UP || last_known == SERVER_DOWN;

	*h = (struct health){
		.verdict = known ? last_known : SERVER_UNKNOWN,
		.admin = SERVER_ACTION_READY,
		.inherited = known,
		.told_down = last_known == SERVER_DOWN,
		.since = now,
	};
}

enum server_state health_state(const struct health *h)
{
	switch (h->admin) {
	case SERVER_ACTION_MAINT:
		return SERVER_MAINT;
	case SERVER_ACTION_DRAIN:
		return SERVER_DRAIN;
	default:
		return h->verdict;
	}
}

enum health_use health_use(const struct health *h, const struct health_policy *policy)
{
	if (h->admin != SERVER_ACTION_READY)
		return HEALTH_USE_NO;
	if (!policy->checked)
		return HEALTH_USE_YES;
	switch (h->verdict) {
	case SERVER_UP:
		return HEALTH_USE_YES;
	case SERVER_DOWN:
		return h->inherited ? HEALTH_USE_SAID_DOWN : HEALTH_USE_NO;
	default:
		return HEALTH_USE_LAST_RESORT;
	}
}

static void decide(struct health *h, enum server_state verdict)
{
	h->verdict = verdict;
	h->inherited = false;
	h->seen = true;
	h->suspect = false;
	h->streak = 0;
}

/*
 * A result that agrees with the verdict ends the streak against it; one that does not lengthens it, and
 * decides when it is long enough.
 */
static void take_result(struct health *h, enum server_state says, unsigned needed)
{
	bool decides = h->verdict == SERVER_UNKNOWN || h->inherited;

	if (h->verdict == says || decides || ++h->streak >= needed)
		decide(h, says);
}

static enum health_reason take_check(struct health *h, const struct health_policy *policy, bool good)
{
	bool suspect = h->suspect;

	h->suspect = false;
	take_result(h, good ? SERVER_UP : SERVER_DOWN, good ? policy->rise : suspect ? 1 : policy->fall);
	if (good)
		return HEALTH_CHECK_GOOD;
	return suspect ? HEALTH_UNREACHABLE : HEALTH_CHECK_BAD;
}

/* Nobody is notified of it: who found it did that. */
static void inherit(struct health *h, enum server_state verdict)
{
	if (h->seen)
		return;
	h->verdict = verdict;
	h->inherited = true;
	h->told_down = verdict == SERVER_DOWN;
}

static void set_admin(struct health *h, enum server_action action, bool checked)
{
	/* What was true before the maintenance says nothing about now. */
	if (h->admin == SERVER_ACTION_MAINT && action != SERVER_ACTION_MAINT && checked)
		decide(h, SERVER_UNKNOWN);
	h->admin = (uint8_t)action;
}

/*
 * In the order of cause and effect: the server's word is told only while the operator has not taken it out.
 */
static enum health_notify notification(struct health *h)
{
	if (h->admin != SERVER_ACTION_READY)
		return HEALTH_NOTIFY_NONE;
	if (h->verdict == SERVER_DOWN && !h->told_down) {
		h->told_down = true;
		return HEALTH_NOTIFY_DOWN;
	}
	if (h->verdict == SERVER_UP && h->told_down) {
		h->told_down = false;
		return HEALTH_NOTIFY_UP;
	}
	return HEALTH_NOTIFY_NONE;
}

/*
 * Events that mean nothing where they come: results for a server that is not to be checked, evidence that
 * nothing could revoke.
 */
static bool is_ignored(const struct health *h, const struct health_policy *policy, enum health_event event)
{
	switch (event) {
	case HEALTH_EVENT_CHECK_GOOD:
	case HEALTH_EVENT_CHECK_BAD:
	case HEALTH_EVENT_REFUSED:
	case HEALTH_EVENT_CONNECT_FAILED:
	case HEALTH_EVENT_INHERITED_UP:
	case HEALTH_EVENT_INHERITED_DOWN:
		return !policy->checked || h->admin == SERVER_ACTION_MAINT;
	default:
		return false;
	}
}

void health_step(struct health *h, const struct health_policy *policy, enum health_event event, nanos now,
		 struct health_outcome *ret)
{
	enum server_state from = health_state(h);
	enum server_action admin = h->admin;

	*ret = (struct health_outcome){.from = from, .to = from};
	if (is_ignored(h, policy, event))
		return;
	switch (event) {
	case HEALTH_EVENT_CHECK_GOOD:
	case HEALTH_EVENT_CHECK_BAD:
		ret->reason = take_check(h, policy, event == HEALTH_EVENT_CHECK_GOOD);
		break;
	case HEALTH_EVENT_REFUSED:
		/* The first one of a burst asks for a check; the others learn nothing new. */
		ret->check_now = h->verdict != SERVER_DOWN || h->streak > 0 || h->inherited;
		ret->reason = HEALTH_REFUSED;
		decide(h, SERVER_DOWN);
		break;
	case HEALTH_EVENT_CONNECT_FAILED:
		ret->check_now = h->verdict != SERVER_DOWN && !h->suspect;
		h->suspect = h->verdict != SERVER_DOWN;
		break;
	case HEALTH_EVENT_READY:
		set_admin(h, SERVER_ACTION_READY, policy->checked);
		ret->check_now = policy->checked && admin == SERVER_ACTION_MAINT;
		ret->reason = HEALTH_OPERATOR;
		break;
	case HEALTH_EVENT_DRAIN:
		set_admin(h, SERVER_ACTION_DRAIN, policy->checked);
		ret->check_now = policy->checked && admin == SERVER_ACTION_MAINT;
		ret->reason = HEALTH_OPERATOR;
		break;
	case HEALTH_EVENT_MAINT:
		set_admin(h, SERVER_ACTION_MAINT, policy->checked);
		ret->reason = HEALTH_OPERATOR;
		break;
	case HEALTH_EVENT_INHERITED_UP:
	case HEALTH_EVENT_INHERITED_DOWN:
		inherit(h, event == HEALTH_EVENT_INHERITED_UP ? SERVER_UP : SERVER_DOWN);
		ret->reason = HEALTH_INHERITED;
		break;
	case HEALTH_EVENT_COUNT:
		return;
	}
	ret->to = health_state(h);
	ret->changed = ret->to != from;
	if (ret->changed)
		h->since = now;
	ret->notify = notification(h);
	ret->unsettled = h->streak > 0 || h->suspect;
}
