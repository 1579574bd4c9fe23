/* rooms: hapair/admin/events.c hapair/admin/status_json.c hapair/admin/snapshot.c hapair/admin/json_values.c hapair/base/addr.c hapair/base/msg.c hapair/base/log.c hapair/base/clock.c */
#include "hapair/admin/events.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];

static int make_dir(void **unused)
{
	strcpy(dir, "/tmp/hapair-events-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static char *path_of(unsigned i)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/events.%u", dir, i);
	return path;
}

static int remove_dir(void **unused)
{
	unlink(path_of(0));
	unlink(path_of(1));
	return rmdir(dir);
}

static struct msg_event event_of(const char *to, uint64_t epoch)
{
	struct msg_event event = {.wall_ms = 1795493285123, .at = MS(1000500), .epoch = epoch};

	MSG_TEXT(event.type, "state");
	MSG_TEXT(event.from, "passive");
	MSG_TEXT(event.to, to);
	MSG_TEXT(event.reason, "the peer is silent");
	return event;
}

static void add(struct events *events, const char *to, uint64_t epoch)
{
	struct msg_event event = event_of(to, epoch);

	events_add(events, &event);
}

static void an_event_has_the_fields_of_the_contract(void **unused)
{
	struct events *events = events_new(NULL, "alpha", EVENTS_FILE_SIZE);
	json_t *json;
	char *text;

	add(events, "active", 7);
	json = event_json(events_get(events, 1));
	text = json_dumps(json, JSON_COMPACT);
	assert_string_equal(
		text,
		"{\"id\":1,\"time\":\"2026-11-24T04:08:05.123Z\",\"mono_ms\":1000500,\"node\":\"alpha\","
		"\"type\":\"state\",\"subject\":null,\"from\":\"passive\",\"to\":\"active\","
		"\"reason\":\"the peer is silent\",\"epoch\":7}");
	free(text);
	json_decref(json);
	events_free(events);
}

static void an_event_is_the_same_after_json_and_back(void **unused)
{
	struct event_record record = {.id = 5, .node = "beta", .event = event_of("active", 9)}, back;
	json_t *json;

	MSG_TEXT(record.event.subject, "web/s1");
	json = event_json(&record);
	memset(&back, 0xff, sizeof(back));
	assert_true(event_from_json(json, &back));
	assert_int_equal(back.id, 5);
	assert_int_equal(back.event.wall_ms, record.event.wall_ms);
	assert_int_equal(back.event.at, record.event.at);
	assert_int_equal(back.event.epoch, 9);
	assert_string_equal(back.node, "beta");
	assert_string_equal(back.event.subject, "web/s1");
	assert_string_equal(back.event.reason, "the peer is silent");
	json_decref(json);
}

static void a_line_for_people_has_local_time_with_milliseconds(void **unused)
{
	struct event_record record = {.id = 5, .node = "beta", .event = event_of("active", 9)};
	json_t *json;
	char *text;

	setenv("TZ", "CET-1", 1);
	tzset();
	json = event_json(&record);
	text = event_text(json, false);
	assert_string_equal(
		text,
		"2026-11-24 05:08:05.123  beta  state    passive -> active (epoch 9): the peer is silent");
	free(text);
	json_decref(json);
}

static void the_ring_forgets_the_oldest(void **unused)
{
	struct events *events = events_new(NULL, "alpha", EVENTS_FILE_SIZE);

	for (uint64_t i = 0; i < EVENTS_RING + 10; i++)
		add(events, "active", i);
	assert_int_equal(events_oldest(events), 11);
	assert_int_equal(events_newest(events), EVENTS_RING + 10);
	assert_null(events_get(events, 10));
	assert_int_equal(events_get(events, 11)->event.epoch, 10);
	assert_null(events_get(events, EVENTS_RING + 11));
	events_free(events);
}

static void an_empty_ring_has_nothing(void **unused)
{
	struct events *events = events_new(NULL, "alpha", EVENTS_FILE_SIZE);

	assert_true(events_newest(events) < events_oldest(events));
	assert_null(events_get(events, 0));
	assert_null(events_get(events, 1));
	events_free(events);
}

static void history_survives_a_restart_and_numbers_go_on(void **unused)
{
	struct events *events = events_new(dir, "alpha", EVENTS_FILE_SIZE);

	add(events, "active", 1);
	add(events, "passive", 2);
	events_free(events);
	events = events_new(dir, "alpha", EVENTS_FILE_SIZE);
	assert_int_equal(events_oldest(events), 1);
	assert_int_equal(events_newest(events), 2);
	assert_string_equal(events_get(events, 2)->event.to, "passive");
	assert_int_equal(events_added(events), 0);
	add(events, "fault", 3);
	assert_string_equal(events_get(events, 3)->event.to, "fault");
	events_free(events);
}

static void the_files_stay_small_and_hold_the_newest(void **unused)
{
	struct events *events = events_new(dir, "alpha", 2000);
	struct stat first, second;

	for (uint64_t i = 1; i <= 200; i++)
		add(events, "active", i);
	events_free(events);
	assert_int_equal(stat(path_of(0), &first), 0);
	assert_int_equal(stat(path_of(1), &second), 0);
	assert_true(first.st_size <= 2000 && second.st_size <= 2000);
	assert_true(first.st_size + second.st_size > 2000);
	events = events_new(dir, "alpha", 2000);
	assert_int_equal(events_newest(events), 200);
	/* The older of the two files is whole: what is there reaches back without a gap. */
	for (uint64_t id = events_oldest(events); id <= 200; id++)
		assert_int_equal(events_get(events, id)->event.epoch, id);
	events_free(events);
}

static void append(unsigned file, const char *text)
{
	int fd = open(path_of(file), O_WRONLY | O_APPEND);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void a_line_that_a_crash_cut_off_is_skipped_and_the_next_one_is_whole(void **unused)
{
	struct events *events = events_new(dir, "alpha", EVENTS_FILE_SIZE);

	add(events, "active", 1);
	events_free(events);
	append(0, "{\"id\":2,\"time\":\"2026-11-2");
	events = events_new(dir, "alpha", EVENTS_FILE_SIZE);
	assert_int_equal(events_newest(events), 1);
	add(events, "passive", 2);
	events_free(events);
	events = events_new(dir, "alpha", EVENTS_FILE_SIZE);
	assert_int_equal(events_newest(events), 2);
	assert_string_equal(events_get(events, 2)->event.to, "passive");
	events_free(events);
}

static void foreign_text_in_the_file_is_ignored(void **unused)
{
	struct events *events = events_new(dir, "alpha", EVENTS_FILE_SIZE);

	add(events, "active", 1);
	events_free(events);
	append(0, "hello\n{}\n[1,2]\n{\"id\":-3,\"time\":\"x\",\"type\":\"state\"}\n\n");
	events = events_new(dir, "alpha", EVENTS_FILE_SIZE);
	assert_int_equal(events_newest(events), 1);
	events_free(events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_has_the_fields_of_the_contract),
		cmocka_unit_test(an_event_is_the_same_after_json_and_back),
		cmocka_unit_test(a_line_for_people_has_local_time_with_milliseconds),
		cmocka_unit_test(the_ring_forgets_the_oldest),
		cmocka_unit_test(an_empty_ring_has_nothing),
		cmocka_unit_test_setup_teardown(history_survives_a_restart_and_numbers_go_on, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(the_files_stay_small_and_hold_the_newest, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(
			a_line_that_a_crash_cut_off_is_skipped_and_the_next_one_is_whole, make_dir,
			remove_dir),
		cmocka_unit_test_setup_teardown(foreign_text_in_the_file_is_ignored, make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
