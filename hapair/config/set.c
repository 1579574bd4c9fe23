/*
 * set.c: a function for each way of writing a value; config_set() chooses it by the option's type.
 */
#include "hapair/config/set.h"

#include "hapair/config/value.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct setting {
	struct config_setter *setter;
	const struct config_option *option;
	struct config_item *item;
	char *field;
	size_t *count; /* of a list */
};

/* `key = word: why`, at the word. */
__attribute__((format(printf, 3, 4))) static void wrong(struct setting *s, const struct config_word *word,
							const char *format, ...)
{
	char why[256];
	va_list args;

	s->item->bad = true;
	if (word->bad)
		return;
	va_start(args, format);
	vsnprintf(why, sizeof why, format, args);
	va_end(args);
	config_report_add(s->setter->report, word->file, word->line, "%s = %.128s: %s", s->option->key,
			  word->text, why);
}

static void out_of_range(struct setting *s, const struct config_word *word)
{
	char range[CONFIG_RANGE_MAX];

	wrong(s, word, "out of range, %s", config_option_range(s->option, range));
}

static bool in_range(const struct config_option *option, uint64_t value)
{
	return value >= (uint64_t)option->min && value <= (uint64_t)option->max;
}

/* A number of some kind that `why` accepted; NULL on any mistake, which was reported. */
static const char *number(struct setting *s, const struct config_word *word, const char *why, uint64_t value)
{
	if (why)
		wrong(s, word, "%s", why);
	else if (!in_range(s->option, value))
		out_of_range(s, word);
	else
		return word->text;
	return NULL;
}

static void set_duration(struct setting *s, const struct config_word *word)
{
	nanos value = 0;
	const char *why = config_duration_parse(word->text, &value);

	if (number(s, word, why, (uint64_t)value))
		memcpy(s->field, &value, sizeof value);
}

static void set_size(struct setting *s, const struct config_word *word)
{
	uint64_t value = 0;
	const char *why = config_size_parse(word->text, &value);

	if (number(s, word, why, value))
		memcpy(s->field, &value, sizeof value);
}

static void set_count(struct setting *s, const struct config_word *word)
{
	uint64_t value = 0;
	const char *why = config_count_parse(word->text, &value);

	if (!number(s, word, why, value))
		return;
	if (s->option->type == TYPE_PORT) {
		uint16_t port = (uint16_t)value;
		memcpy(s->field, &port, sizeof port);
	} else {
		unsigned count = (unsigned)value;
		memcpy(s->field, &count, sizeof count);
	}
}

static void set_workers(struct setting *s, const struct config_word *word)
{
	unsigned automatic = 0;

	if (strcmp(word->text, "auto") == 0)
		memcpy(s->field, &automatic, sizeof automatic);
	else
		set_count(s, word);
}

static void set_switch(struct setting *s, const struct config_word *word)
{
	bool on = strcmp(word->text, "on") == 0;

	if (on || strcmp(word->text, "off") == 0)
		memcpy(s->field, &on, sizeof on);
	else
		wrong(s, word, "on or off is meant here");
}

static void set_choice(struct setting *s, const struct config_word *word)
{
	struct config_guess guess = {.word = word->text};
	char range[CONFIG_RANGE_MAX], did_you_mean[CONFIG_GUESS_MAX];

	for (const struct config_choice *choice = s->option->choices; choice->name; choice++) {
		if (strcmp(choice->name, word->text) == 0) {
			if (choice->supported)
				memcpy(s->field, &choice->value, sizeof choice->value);
			else
				wrong(s, word, "not supported yet");
			return;
		}
		config_guess_offer(&guess, choice->name);
	}
	wrong(s, word, "none of %s%s", config_option_range(s->option, range),
	      config_guess_text(&guess, did_you_mean));
}

static const char *text_wrong(enum config_type type, const char *text)
{
	switch (type) {
	case TYPE_FILE:
	case TYPE_FILES:
		return config_file_wrong(text);
	case TYPE_LOG:
		if (strcmp(text, "off") == 0 || strcmp(text, "journal") == 0)
			return NULL;
		return *text == '/' ? config_file_wrong(text)
				    : "off, journal, or an absolute file name is meant here";
	case TYPE_INTERFACE:
		return config_interface_wrong(text);
	case TYPE_USER:
		return config_user_wrong(text);
	case TYPE_HOST:
		return config_host_wrong(text, 0);
	case TYPE_HOSTS:
		return config_host_wrong(text, 1);
	case TYPE_PATH:
		return config_path_wrong(text);
	case TYPE_PREFIX:
		return config_prefix_wrong(text);
	default:
		return "no text";
	}
}

static void set_text(struct setting *s, const struct config_word *word)
{
	const char *why = text_wrong(s->option->type, word->text);

	if (why) {
		wrong(s, word, "%s", why);
		return;
	}
	char *copy = arena_text(s->setter->arena, span_of(word->text));
	if (s->option->type == TYPE_HOSTS)
		for (char *c = copy; *c; c++)
			if (*c >= 'A' && *c <= 'Z')
				*c = (char)(*c - 'A' + 'a');
	memcpy(s->field, &copy, sizeof copy);
}

static int by_name(const void *left, const void *right)
{
	return strcmp(((const struct config_name *)left)->name, ((const struct config_name *)right)->name);
}

static void set_pool(struct setting *s, const struct config_word *word)
{
	const struct config_names *pools = &s->setter->pools;
	struct config_name key = {.name = word->text};
	const struct config_name *found = NULL;

	if (pools->n)
		found = bsearch(&key, pools->sorted, pools->n, sizeof key, by_name);
	if (found) {
		memcpy(s->field, &found->index, sizeof found->index);
		return;
	}
	struct config_guess guess = {.word = word->text};
	char did_you_mean[CONFIG_GUESS_MAX];
	for (size_t i = 0; i < pools->n; i++)
		config_guess_offer(&guess, pools->sorted[i].name);
	wrong(s, word, "there is no such pool%s", config_guess_text(&guess, did_you_mean));
}

/* What is wrong with the spelling of an endpoint, in the terms of the usual slips. */
static const char *address_wrong(const char *text)
{
	struct ip ip;

	if (ip_parse(span_of(text), &ip) == 0)
		return ip.family == AF_INET6 ? "a port is missing: [ADDRESS]:PORT"
					     : "a port is missing: ADDRESS:PORT";
	const char *colon = strrchr(text, ':');
	if (colon && *text != '[' && strchr(text, ':') != colon)
		return "an IPv6 address with a port stands in brackets: [fd00::1]:443";
	if (colon && strspn(colon + 1, "0123456789") == strlen(colon + 1)) {
		struct span host = {text, (size_t)(colon - text)};
		if (host.n >= 2 && host.p[0] == '[')
			host = (struct span){host.p + 1, host.n - 2};
		if (ip_parse(host, &ip) == 0)
			return "a port is a number from 1 to 65535";
		if (strpbrk(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") &&
		    !strchr(text, '['))
			return "an address in digits is meant here, names are not looked up";
	}
	return "no address with a port, such as 10.0.0.1:80 or [fd00::1]:443";
}

static void set_address(struct setting *s, const struct config_word *word, struct addr *field)
{
	struct addr address;

	if (addr_parse(span_of(word->text), &address) == 0)
		*field = address;
	else
		wrong(s, word, "%s", address_wrong(word->text));
}

static void set_ip(struct setting *s, const struct config_word *word, struct ip *field)
{
	struct ip ip;
	struct addr address;

	if (ip_parse(span_of(word->text), &ip) == 0)
		*field = ip;
	else if (addr_parse(span_of(word->text), &address) == 0)
		wrong(s, word, "an address without a port is meant here");
	else
		wrong(s, word, "no address, such as 10.0.0.1 or fd00::1");
}

static void set_endpoint(struct setting *s, const struct config_word *word, struct addr *field)
{
	static const char scheme[] = "http://", tls[] = "https://";
	struct span rest = span_of(word->text);
	struct addr address;

	if (strncmp(word->text, tls, sizeof tls - 1) == 0) {
		wrong(s, word, "https is not supported yet");
		return;
	}
	if (strncmp(word->text, scheme, sizeof scheme - 1) == 0) {
		rest.p += sizeof scheme - 1;
		rest.n -= sizeof scheme - 1;
		rest.n -= rest.n && rest.p[rest.n - 1] == '/';
		if (addr_parse(rest, &address) == 0) {
			*field = address;
			return;
		}
	}
	wrong(s, word, "no endpoint, such as http://10.0.0.5:2379 or http://[fd00::5]:2379");
}

/* `ADDRESS:PORT tls` */
static void set_bind(struct setting *s, const struct config_element *element, struct config_bind *field)
{
	set_address(s, &element->words[0], &field->address);
	if (element->n > 1 && !element->words[1].bad) {
		const char *word = element->words[1].text;
		field->tls = strcmp(word, "tls") == 0;
		if (!field->tls) {
			struct config_guess guess = {.word = word};
			char did_you_mean[CONFIG_GUESS_MAX];
			struct addr address;
			config_guess_offer(&guess, "tls");
			if (addr_parse(span_of(word), &address) == 0)
				wrong(s, &element->words[1], "a comma is missing before it");
			else
				wrong(s, &element->words[1], "only tls may stand behind an address%s",
				      config_guess_text(&guess, did_you_mean));
		}
	}
}

static void check_length(struct setting *s, const struct config_element *element, size_t most)
{
	if (element->n > most && !element->words[most].bad)
		wrong(s, &element->words[most], "one word too many; is a comma missing before it?");
}

/* Where the elements go: into the struct itself, or behind a pointer in it. */
static void *list_room(struct setting *s, size_t n)
{
	void *elements;

	if (s->option->type == TYPE_LINKS)
		return s->field;
	if (s->option->type == TYPE_BINDS)
		elements = ARENA_ARRAY(s->setter->arena, struct config_bind, n);
	else if (s->option->type == TYPE_IPS)
		elements = ARENA_ARRAY(s->setter->arena, struct ip, n);
	else
		elements = ARENA_ARRAY(s->setter->arena, struct addr, n);
	memcpy(s->field, &elements, sizeof elements);
	return elements;
}

static void set_list(struct setting *s)
{
	const struct config_option *option = s->option;
	size_t n = s->item->n_elements;
	const struct config_word *key = &s->item->words[0];

	if (n < (uint64_t)option->min || n > (uint64_t)option->max) {
		s->item->bad = true;
		if (n == 0)
			config_report_add(s->setter->report, key->file, key->line, "%s: the list is empty",
					  option->key);
		else
			config_report_add(s->setter->report, key->file, key->line,
					  "%s: %zu elements, at most %lld%s", option->key, n,
					  (long long)option->max,
					  option->type == TYPE_FILES ? " is supported yet" : "");
		return;
	}
	void *elements = list_room(s, n);
	*s->count = n;
	for (size_t i = 0; i < n; i++) {
		const struct config_element *element = &s->item->elements[i];
		check_length(s, element, option->type == TYPE_BINDS ? 2 : 1);
		if (element->words[0].bad)
			s->item->bad = true;
		else if (option->type == TYPE_BINDS)
			set_bind(s, element, (struct config_bind *)elements + i);
		else if (option->type == TYPE_IPS)
			set_ip(s, &element->words[0], (struct ip *)elements + i);
		else if (option->type == TYPE_ENDPOINTS)
			set_endpoint(s, &element->words[0], (struct addr *)elements + i);
		else
			set_address(s, &element->words[0], (struct addr *)elements + i);
	}
}

static bool is_list(enum config_type type)
{
	return type == TYPE_LINKS || type == TYPE_ADDRESSES || type == TYPE_BINDS || type == TYPE_IPS ||
	       type == TYPE_ENDPOINTS;
}

static void set_one(struct setting *s, const struct config_word *word)
{
	switch (s->option->type) {
	case TYPE_DURATION:
		set_duration(s, word);
		break;
	case TYPE_SIZE:
		set_size(s, word);
		break;
	case TYPE_COUNT:
	case TYPE_PORT:
		set_count(s, word);
		break;
	case TYPE_WORKERS:
		set_workers(s, word);
		break;
	case TYPE_SWITCH:
		set_switch(s, word);
		break;
	case TYPE_CHOICE:
		set_choice(s, word);
		break;
	case TYPE_POOL:
		set_pool(s, word);
		break;
	case TYPE_ADDRESS:
		set_address(s, word, (struct addr *)s->field);
		break;
	default:
		set_text(s, word);
	}
}

void config_set(struct config_setter *setter, const struct config_option *option, struct config_item *item,
		void *object)
{
	struct setting s = {
		.setter = setter,
		.option = option,
		.item = item,
		.field = (char *)object + option->offset,
		.count = (size_t *)((char *)object + option->offset_n),
	};
	const struct config_word *key = &item->words[0];

	if (is_list(option->type)) {
		if (!item->bad || item->n_elements)
			set_list(&s);
		return;
	}
	if (item->bad)
		return;
	if (item->is_list && option->type != TYPE_FILES) {
		item->bad = true;
		config_report_add(setter->report, key->file, key->line, "%s takes one value, not a list",
				  option->key);
		return;
	}
	if (item->n_elements != 1) {
		item->bad = true;
		config_report_add(setter->report, key->file, key->line,
				  item->n_elements ? "%s: more than one is not supported yet"
						   : "%s: the list is empty",
				  option->key);
		return;
	}
	check_length(&s, &item->elements[0], 1);
	if (!item->bad)
		set_one(&s, &item->elements[0].words[0]);
}

void config_set_default(struct config_setter *setter, const struct config_option *option, void *object)
{
	char *field = (char *)object + option->offset;
	const char *none = "";
	size_t no_pool = CONFIG_NO_POOL;

	if (!option->supported)
		return;
	if (option->fallback) {
		const struct config_word words[2] = {{.text = option->key, .file = "default"},
						     {.text = option->fallback, .file = "default"}};
		struct config_element element = {&words[1], 1};
		struct config_item item = {
			.words = words, .n_words = 1, .elements = &element, .n_elements = 1};
		config_set(setter, option, &item, object);
	} else if (option->type == TYPE_POOL) {
		memcpy(field, &no_pool, sizeof no_pool);
	} else if (option->type >= TYPE_FILE) {
		memcpy(field, &none, sizeof none);
	}
}
