/*
 * options.h: the table of blocks and options. One row each; the reader, the defaults, "did you mean",
 * the reference
 * (`hapair help config`), the digest and the differences of a reload all come from it.
 */
#ifndef HAPAIR_CONFIG_OPTIONS_H
#define HAPAIR_CONFIG_OPTIONS_H

#include "hapair/base/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum config_block_id {
	BLOCK_FILE, /* the top level itself */
	BLOCK_CLUSTER,
	BLOCK_WITNESS,
	BLOCK_NODE,
	BLOCK_VIP,
	BLOCK_POOL,
	BLOCK_CHECK,
	BLOCK_SERVER,
	BLOCK_LISTEN,
	BLOCK_TLS,
	BLOCK_ROUTE,
	BLOCK_PROXY,
	BLOCK_ADMIN,
	BLOCK_NOTIFY,
	BLOCK_COUNT,
};

struct config_block {
	enum config_block_id id, parent;
	const char *type;  /* "" is the top level */
	const char *label; /* what stands between the type and the brace, for people; NULL: nothing */
	size_t min, max;   /* how many in one parent */
	bool supported;
	const char *doc;
};

/* How a value is written, and as what it lies in the struct. */
enum config_type {
	TYPE_DURATION,  /* nanos */
	TYPE_SIZE,      /* uint64_t, bytes */
	TYPE_COUNT,     /* unsigned */
	TYPE_PORT,      /* uint16_t */
	TYPE_SWITCH,    /* bool: on, off */
	TYPE_CHOICE,    /* an enum: one of `choices` */
	TYPE_WORKERS,   /* unsigned: auto (0) or a number */
	TYPE_ADDRESS,   /* struct addr */
	TYPE_LINKS,     /* struct addr[CONFIG_LINKS_MAX], size_t */
	TYPE_ADDRESSES, /* struct addr *, size_t */
	TYPE_BINDS,     /* struct config_bind *, size_t */
	TYPE_IPS,       /* struct ip *, size_t */
	TYPE_ENDPOINTS, /* struct addr *, size_t; written as http://ADDRESS:PORT */
	TYPE_POOL,      /* size_t, an index; written as its name */
	/* const char *, from here on */
	TYPE_FILE,  /* an absolute file name */
	TYPE_FILES, /* a list of them; one for now */
	TYPE_LOG,   /* off, journal, or an absolute file name */
	TYPE_INTERFACE,
	TYPE_USER,
	TYPE_HOST,   /* of a request */
	TYPE_HOSTS,  /* the same, or *.domain; kept in lower case */
	TYPE_PATH,   /* of a request, with a query perhaps */
	TYPE_PREFIX, /* of the paths of requests */
};

struct config_choice {
	const char *name; /* NULL ends the list */
	unsigned value;
	bool supported;
};

struct config_option {
	enum config_block_id block;
	const char *key;
	enum config_type type;
	size_t offset;    /* in the block's struct, see build.c */
	size_t offset_n;  /* of the count that goes with a list */
	int64_t min, max; /* of durations (ns), sizes, counts; of lists the number of elements */
	const struct config_choice *choices;
	const char *fallback; /* the default as one would write it; NULL: none */
	bool required;
	bool supported;
	const char *doc;
};

extern const struct config_block config_blocks[BLOCK_COUNT]; /* by id */
extern const struct config_option config_options[];          /* by block, in the order of the reference */
extern const size_t config_option_count;
extern const char config_grammar[]; /* how a file is written, two lines for people */

/* NULL: no such thing. */
const struct config_block *config_block_find(const char *type);
const struct config_option *config_option_find(enum config_block_id block, const char *key);

/* What may be written, for people: "50ms .. 10s", "on, off", "ADDRESS:PORT [tls], ...". */
#define CONFIG_RANGE_MAX 160
const char *config_option_range(const struct config_option *option, char out[CONFIG_RANGE_MAX]);

/* The reference: every block and option. */
void config_options_print(FILE *to);

#endif
