/* rooms: hapair/sync/store.c hapair/sync/words.c hapair/sync/replica.c hapair/base/msg.c hapair/base/addr.c hapair/base/log.c hapair/base/clock.c */
#include "hapair/sync/store.h"
#include "hapair/sync/words.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int make_dir(void **state)
{
	strcpy(dir, "/tmp/hapair-store.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char path[96];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/servers.%d", dir, i);
		unlink(path);
	}
	return rmdir(dir);
}

static struct replica *replica_new(void)
{
	struct replica *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	return r;
}

static void say(struct replica *r, const char *server, enum server_existence existence, uint8_t action,
		uint16_t weight)
{
	struct server_wanted w = {.existence = (uint8_t)existence, .action = action, .weight = weight};

	MSG_TEXT(w.pool, "web");
	MSG_TEXT(w.server, server);
	if (existence == SERVER_ADDED) {
		w.added_weight = 3;
		assert_int_equal(addr_parse(span_of("[fd00::1]:8080"), &w.address), 0);
	}
	assert_int_equal(replica_say(r, &w, REPLICA_ALL, "alpha", 1000), 0);
}

static void what_was_said_is_there_again(void **state)
{
	struct replica *before = replica_new(), *after = replica_new();
	struct store *store = store_open(dir, before);
	const struct replica_record *record;

	say(before, "s1", SERVER_AS_CONFIGURED, SERVER_ACTION_DRAIN, 0);
	say(before, "s2", SERVER_ADDED, SERVER_ACTION_MAINT, 17);
	say(before, "s3", SERVER_REMOVED, SERVER_ACTION_READY, 0);
	assert_int_equal(store_save(store, before), 0);
	store_free(store);
	store = store_open(dir, after);
	assert_int_equal(after->n, 3);
	assert_true(after->sum == before->sum);
	assert_int_equal(after->version, before->version);
	record = replica_find(after, "web", "s2");
	assert_int_equal(record->wanted.existence, SERVER_ADDED);
	assert_int_equal(record->wanted.action, SERVER_ACTION_MAINT);
	assert_int_equal(record->wanted.weight, 17);
	assert_int_equal(record->wanted.added_weight, 3);
	assert_true(addr_equal(&record->wanted.address, &replica_find(before, "web", "s2")->wanted.address));
	assert_int_equal(replica_find(after, "web", "s3")->wanted.existence, SERVER_REMOVED);
	store_free(store);
	free(before);
	free(after);
}

/* The file that was written last is torn, as by a crash: the one before it counts. */
static void a_torn_file_leaves_the_state_before_it(void **state)
{
	struct replica *before = replica_new(), *after = replica_new();
	struct store *store = store_open(dir, before);
	char path[96];
	off_t n;
	int fd;

	say(before, "s1", SERVER_AS_CONFIGURED, SERVER_ACTION_DRAIN, 0); /* into servers.1 */
	assert_int_equal(store_save(store, before), 0);
	say(before, "s1", SERVER_AS_CONFIGURED, SERVER_ACTION_MAINT, 0); /* into servers.0 */
	assert_int_equal(store_save(store, before), 0);
	store_free(store);
	snprintf(path, sizeof(path), "%s/servers.0", dir);
	fd = open(path, O_RDWR);
	n = lseek(fd, 0, SEEK_END);
	assert_int_equal(ftruncate(fd, n - 5), 0);
	close(fd);
	store = store_open(dir, after);
	assert_int_equal(replica_find(after, "web", "s1")->wanted.action, SERVER_ACTION_DRAIN);
	store_free(store);
	free(before);
	free(after);
}

static bool takes(const char *text)
{
	struct replica_record record;
	json_t *json = json_loads(text, 0, NULL);
	bool taken;

	assert_non_null(json);
	taken = words_take_record(json, &record);
	json_decref(json);
	return taken;
}

static void a_record_that_says_nonsense_is_refused(void **state)
{
	assert_true(takes("{\"pool\":\"w\",\"server\":\"s\",\"weight\":[4,1,\"alpha\"],\"later\":1}"));
	assert_true(takes(
		"{\"pool\":\"w\",\"server\":\"s\",\"existence\":[\"added\",1,\"a\",\"10.0.0.1:80\",1]}"));
	assert_false(takes("{\"pool\":\"w\",\"server\":\"s\"}"));
	assert_false(takes("{\"pool\":\"w/\",\"server\":\"s\",\"weight\":[4,1,\"alpha\"]}"));
	assert_false(takes("{\"pool\":\"w\",\"server\":\"s\",\"weight\":[257,1,\"alpha\"]}"));
	assert_false(takes("{\"pool\":\"w\",\"server\":\"s\",\"weight\":[4,0,\"alpha\"]}"));
	assert_false(takes("{\"pool\":\"w\",\"server\":\"s\",\"weight\":[4,-1,\"alpha\"]}"));
	assert_false(takes("{\"pool\":\"w\",\"server\":\"s\",\"action\":[\"stop\",1,\"alpha\"]}"));
	assert_false(takes("{\"pool\":\"w\",\"server\":\"s\",\"existence\":[\"added\",1,\"a\"]}"));
	assert_false(
		takes("{\"pool\":\"w\",\"server\":\"s\",\"existence\":[\"added\",1,\"a\",\"10.0.0.1\",1]}"));
	assert_false(takes("{\"pool\":1,\"server\":\"s\",\"action\":[\"drain\",1,\"alpha\"]}"));
	assert_false(takes("[1]"));
}

static void a_ticket_key_comes_back_as_it_went(void **state)
{
	struct ticket_key key = {.period = 123456}, back;
	json_t *json;

	for (size_t i = 0; i < TICKET_KEY; i++) {
		key.cipher[i] = (uint8_t)(i * 37);
		key.mac[i] = (uint8_t)(255 - i);
	}
	json = words_ticket_key(&key);
	assert_true(words_take_ticket_key(json, &back));
	assert_int_equal(back.period, key.period);
	assert_memory_equal(back.cipher, key.cipher, TICKET_KEY);
	assert_memory_equal(back.mac, key.mac, TICKET_KEY);
	json_object_set_new(json, "mac", json_string("00"));
	assert_false(words_take_ticket_key(json, &back));
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_said_is_there_again, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_torn_file_leaves_the_state_before_it, make_dir, remove_dir),
		cmocka_unit_test(a_record_that_says_nonsense_is_refused),
		cmocka_unit_test(a_ticket_key_comes_back_as_it_went),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
