/*
 * heart_story.h: what every story of a pair begins with: both nodes up, node 0 active. After cmocka.h.
 */
#ifndef TESTS_UNIT_HEART_STORY_H
#define TESTS_UNIT_HEART_STORY_H

#include "tests/unit/heart_fixture.h"

#define INTERVAL MS(50)
#define DEAD     MS(150)

#define STORY(name) cmocka_unit_test_setup(name, begin)

static struct stage s;
static struct heart_actions out;

static inline int begin(void **state)
{
	(void)state;
	stage_begin(&s);
	return 0;
}

static inline void kill_node(unsigned i)
{
	s.nodes[i].runs = false;
}

static inline void do_fitness(unsigned i, enum fitness_class class)
{
	out.n = 0;
	heart_fitness(&s.nodes[i].heart, class, s.now, &out);
	stage_perform(&s, i, &out);
}

static inline void do_usable(unsigned i, bool usable)
{
	out.n = 0;
	heart_usable(&s.nodes[i].heart, usable, "eth0 has no carrier", s.now, &out);
	stage_perform(&s, i, &out);
}

static inline int switch_over(unsigned i)
{
	const char *text;
	int error;

	out.n = 0;
	error = heart_switchover(&s.nodes[i].heart, s.now, &text, &out);
	stage_perform(&s, i, &out);
	return error;
}

#endif
