/* cli: what the commands share: options, output, exit codes, one table of commands.
 *
 * Verbs and options follow rpk; each command is a function in a file of its own. */
#ifndef LEVEE_TOOLS_CLI_H
#define LEVEE_TOOLS_CLI_H

#include "tools/blocking_client.h"

#include <stdbool.h>

/* Fixed; documented in docs/cli.md. */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_NOT_FOUND = 3,
    CLI_CONFLICT = 4,
    CLI_NOT_AUTHORISED = 5,
    CLI_TIMED_OUT = 6,
    CLI_DEGRADED = 7,
};

enum { CLI_SETS_MAX = 64, CLI_WORDS_MAX = 64 };

/* Every option that any command has; a command names those that it takes by their letters. */
struct cli {
    const char *command;                /* "topic create" */
    const char *brokers;                /* -b */
    const char *brokers_other;          /* the second -b; NULL: none */
    bool has_brokers;                   /* -b was given */
    bool json;                          /* --format json */
    int32_t timeout_ms;                 /* --timeout */
    const char *file;                   /* -c: configuration file */
    const char *sets[CLI_SETS_MAX + 1]; /* --set k=v (server) or -X / -C k=v; ends with NULL */
    int set_count;
    int32_t partitions;               /* -p, -1: not given */
    int32_t replicas;                 /* -r */
    const char *offset;               /* -o */
    bool is_committed;                /* --isolation read_committed */
    int64_t count;                    /* -n, -1: without end */
    const char *record_format;        /* -f, or --format TEMPLATE */
    const char *key;                  /* -k */
    const char *key_delimiter;        /* -K */
    bool key_demanded;                /* a line without the delimiter is an error */
    const char *codec;                /* -z */
    int32_t acks;                     /* --acks */
    int32_t linger_ms;                /* --linger */
    bool print_records;               /* --records */
    bool is_sure;                     /* --yes */
    int32_t port;                     /* --port, -1: not given */
    const char *dir;                  /* --dir */
    bool compares;                    /* --compare */
    const char *ignored;              /* --ignore */
    double rate;                      /* --rate */
    const char *topic;                /* --topic */
    const char *group;                /* --group */
    const char *http;                 /* --http */
    int32_t sla_ms;                   /* --sla */
    bool is_once;                     /* --once */
    const char *words[CLI_WORDS_MAX]; /* what is not an option */
    int word_count;
    int argc; /* of a command that reads its words itself: all behind its name */
    char **argv;
};

typedef enum cli_exit cli_command_fn(struct cli *cli);

struct cli_command {
    const char *noun;
    const char *verb;    /* NULL: the noun stands alone */
    const char *options; /* letters of the options it takes, see cli.c */
    const char *words;   /* "TOPIC...", for the help */
    int words_min;
    int words_max;
    const char *purpose; /* one line */
    const char *help;    /* more, with examples; may be NULL */
    cli_command_fn *run;
    bool is_own; /* reads its words itself, --help too */
};

cli_command_fn command_bench, command_cluster_info, command_config_check, command_config_explain,
    command_config_list, command_consume, command_dev, command_doctor_io, command_explain,
    command_group_delete, command_group_describe, command_group_list, command_log_dump,
    command_probe, command_produce, command_serve, command_topic_add_partitions,
    command_topic_alter_config, command_topic_create, command_topic_delete, command_topic_describe,
    command_topic_list, command_txn_abort, command_txn_describe, command_txn_explain,
    command_txn_fence, command_txn_list, command_verify, command_version;

/* Print "levee: ..." to standard error, control characters escaped, and return exit. */
enum cli_exit cli_fail(enum cli_exit exit, const char *format, ...) printf_like(2, 3);

/* The exit code for an error of a call or of Kafka. */
enum cli_exit cli_exit_of(enum err err);
enum cli_exit cli_exit_of_kafka(int16_t error_code);

/* Connect to cli->brokers, or print why not. */
must_use enum cli_exit cli_connect(const struct cli *cli, struct blocking_client **out);

/* A call that failed: say so. */
enum cli_exit cli_call_failed(const char *what, enum err err);

/* printf-able: (int)size, text. */
#define CLI_TEXT(string) (int)(string).size_bytes, (string).text == NULL ? "" : (string).text

#endif
