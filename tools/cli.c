#include "tools/cli.h"

#include "base/check.h"
#include "base/text.h"
#include "tools/output.h"
#include "tools/record_format.h"
#include "tools/start_offset.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct cli_command commands[] = {
    {"dev", NULL, "csPD", "", 0, 0, "run one durable broker on 127.0.0.1:9092 for development",
     "Topics are created when they are asked for.  Data: ./data, or --dir DIR.\n"
     "Writes are as durable as with `levee serve`.  A second one beside the first:\n"
     "levee dev --port 9192 --dir data2",
     command_dev},
    {"serve", NULL, "csPD", "", 0, 0, "run a broker",
     "Configuration: defaults < -c FILE < environment (KAFKA_*, LEVEE_*) < --set.\n"
     "SIGTERM, SIGINT and SIGHUP stop it in order.  Example: levee serve -c server.properties",
     command_serve},
    {"topic", "create", "bXtfprS", "TOPIC...", 1, CLI_WORDS_MAX, "create topics",
     "Example: levee topic create orders -p 6 -C retention.ms=86400000", command_topic_create},
    {"topic", "list", "bXtf", "", 0, 0, "list topics", NULL, command_topic_list},
    {"topic", "describe", "bXtf", "TOPIC", 1, 1, "show partitions and configuration of a topic",
     NULL, command_topic_describe},
    {"topic", "delete", "bXtf", "TOPIC...", 1, CLI_WORDS_MAX, "delete topics with their records",
     NULL, command_topic_delete},
    {"topic", "add-partitions", "bXtfp", "TOPIC", 1, 1, "grow a topic to -p partitions", NULL,
     command_topic_add_partitions},
    {"topic", "alter-config", "bXtfS", "TOPIC", 1, 1, "set (-C k=v) or reset (-C k=) configuration",
     NULL, command_topic_alter_config},
    {"topic", "produce", "bXtfpkKzalF", "TOPIC", 1, 1, "the same as levee produce", NULL,
     command_produce},
    {"topic", "consume", "bXtfponFi", "TOPIC", 1, 1, "the same as levee consume", NULL,
     command_consume},
    {"produce", NULL, "bXtfpkKzalF", "TOPIC", 1, 1, "write each line of standard input as a record",
     "What is read is stored at the latest after --linger; Ctrl-C stores what was read first.\n"
     "Examples: printf 'k1:v1\\nk2:v2\\n' | levee produce orders -K :\n"
     "          tail -f access.log | levee produce access",
     command_produce},
    {"consume", NULL, "bXtfponFi", "TOPIC", 1, 1, "print the records of a topic",
     START_OFFSET_HELP "\n-n COUNT stops after so many records.\n" RECORD_FORMAT_HELP "\n"
                       "Example: levee consume orders -o start -n 10 -f '%p/%o %k=%v\\n'\n"
                       "         levee consume orders -o :end --format json",
     command_consume},
    {"cluster", "info", "bXtf", "", 0, 0, "the cluster's id and its brokers", NULL,
     command_cluster_info},
    {"group", "list", "bXtf", "", 0, 0, "list consumer groups", NULL, command_group_list},
    {"group", "describe", "bXtf", "GROUP", 1, 1, "show members, offsets and lag of a group", NULL,
     command_group_describe},
    {"group", "delete", "bXtf", "GROUP...", 1, CLI_WORDS_MAX, "delete groups without members", NULL,
     command_group_delete},
    {"txn", "list", "bXtf", "", 0, 0, "list transactional ids and their states", NULL,
     command_txn_list},
    {"txn", "describe", "bXtf", "ID", 1, 1, "show a transactional id, its producer and partitions",
     NULL, command_txn_describe},
    {"txn", "explain", "bXtf", "TOPIC/PARTITION", 1, 1,
     "say which transaction holds back readers of committed records", NULL, command_txn_explain},
    {"txn", "abort", "bXtfy", "TOPIC/PARTITION", 1, 1, "end the transaction that holds them back",
     "Says what will be lost; with --yes it does it.  A transaction that its coordinator has open "
     "is\n"
     "aborted in all its partitions, and its producer fenced; one that no coordinator knows, in "
     "this\n"
     "partition.  Example: levee txn abort orders/3 --yes",
     command_txn_abort},
    {"txn", "fence", "bXtf", "ID", 1, 1,
     "fence the producer of a transactional id, and abort what it has open", NULL,
     command_txn_fence},
    {"bench", NULL, "", "[VERB] [OPTIONS]", 0, CLI_WORDS_MAX,
     "measure a Kafka-compatible broker, and account for every record", NULL, command_bench,
     .is_own = true},
    {"log", "dump", "fB", "FILE...", 1, CLI_WORDS_MAX,
     "print the batches of segment files, of ours or of Apache Kafka's", NULL, command_log_dump},
    {"verify", NULL, "bXtfQI", "TOPIC...", 1, CLI_WORDS_MAX,
     "read topics and check offsets, checksums, sequences, markers and isolation; or compare two",
     "Two are compared with a second -b, or --compare.  Example: levee verify orders -b A -b B",
     command_verify},
    {"probe", NULL, "bXtfRTGHAO", "", 0, 0, "send records round, and serve metrics of that",
     "Its topic is made if it is missing.  Example: levee probe --http 0.0.0.0:9645",
     command_probe},
    {"config", "check", "csf", "", 0, 0, "say whether a server configuration is right", NULL,
     command_config_check},
    {"config", "explain", "f", "KEY", 1, 1, "say what a configuration key means", NULL,
     command_config_explain},
    {"config", "list", "f", "", 0, 0, "list every configuration key", NULL, command_config_list},
    {"doctor", "io", "fD", "", 0, 0,
     "say what a broker would run on here: io_uring or not, and how fast writes are durable",
     "Writes 4 MiB into the directory (--dir, else the current one) for some seconds and leaves\n"
     "nothing there.  Example: levee doctor io --dir /var/lib/levee",
     command_doctor_io},
    {"explain", NULL, "f", "CODE", 1, 1, "say what a log code (LVE-2101) means and what to do",
     NULL, command_explain},
    {"version", NULL, "f", "", 0, 0, "print the version", NULL, command_version},
};

struct option_row {
    char letter; /* in struct cli_command.options */
    const char *short_name;
    const char *long_name;
    const char *argument;
    const char *help;
};

static const struct option_row option_rows[] = {
    {'b', "-b", "--brokers", "HOST:PORT,...", "where a broker is (127.0.0.1:9092)"},
    {'X', "-X", "--config-opt", "KEY=VALUE", "as rpk has it: brokers=HOST:PORT,..."},
    {'t', NULL, "--timeout", "MS", "how long to wait for an answer (30000)"},
    {'f', NULL, "--format", "text|json", "form of the output (text); of records also a template"},
    {'c', "-c", "--config", "FILE", "server.properties to read"},
    {'s', NULL, "--set", "KEY=VALUE", "one configuration value; may be repeated"},
    {'P', NULL, "--port", "PORT", "listen on 127.0.0.1:PORT; metrics on PORT + 552"},
    {'D', NULL, "--dir", "DIR", "the data directory (./data); of doctor: where to write (.)"},
    {'S', "-C", "--topic-config", "KEY=VALUE", "one topic configuration value; may be repeated"},
    {'p', "-p", "--partitions", "N", "number of partitions, or the one partition"},
    {'r', "-r", "--replicas", "N", "replication factor (the broker's default)"},
    {'o', "-o", "--offset", "WHERE", "where to begin, and :end to stop at the end (start)"},
    {'i', NULL, "--isolation", "LEVEL", "read_committed: none of open or aborted transactions"},
    {'n', "-n", "--num", "COUNT", "stop after so many records"},
    {'F', "-f", "--record-format", "TEMPLATE", "form of a record (%v\\n), as rpk has it; or json"},
    {'k', "-k", "--key", "KEY", "key of every record"},
    {'K', "-K", "--key-delimiter", "TEXT", "a line is key, this text, value"},
    {'z', "-z", "--compression", "CODEC", "none, gzip, snappy, lz4 or zstd (none)"},
    {'a', NULL, "--acks", "all|1|0", "what to wait for (all)"},
    {'l', NULL, "--linger", "MS", "how long a record may wait for others (5)"},
    {'B', NULL, "--records", NULL, "print the records too"},
    {'y', "-y", "--yes", NULL, "do it"},
    {'Q', NULL, "--compare", NULL, "the two topics with each other"},
    {'I', NULL, "--ignore", "FIELD,...", "offset, timestamp, key, value, headers: may differ"},
    {'R', NULL, "--rate", "N", "records a second (10)"},
    {'T', NULL, "--topic", "NAME", "the probe's topic (levee-end-to-end)"},
    {'G', NULL, "--group", "ID", "whose offsets are committed (levee-end-to-end)"},
    {'H', NULL, "--http", "HOST:PORT", "where metrics are served, - nowhere (127.0.0.1:9645)"},
    {'A', NULL, "--sla", "MS", "a record that comes back later is lost (20000)"},
    {'O', NULL, "--once", NULL, "one record to each partition, then the exit code tells"},
};

enum cli_exit cli_fail(enum cli_exit exit, const char *format, ...)
{
    char text[4096];
    va_list args;

    fflush(stdout);
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fputs("levee: ", stderr);
    output_plain(stderr, text, strlen(text));
    fputc('\n', stderr);
    return exit;
}

enum cli_exit cli_connect(const struct cli *cli, struct blocking_client **out)
{
    char problem[512];
    enum err err =
        blocking_client_open(cli->brokers, cli->timeout_ms, out, problem, sizeof(problem));

    return err == OK ? CLI_OK : cli_fail(cli_exit_of(err), "%s", problem);
}

enum cli_exit cli_call_failed(const char *what, enum err err)
{
    if (err == ERR_UNSUPPORTED)
        return cli_fail(CLI_FAILED, "%s: this broker does not serve that request", what);
    return cli_fail(cli_exit_of(err), "%s: %s", what, err_text(err));
}

/* ---- help */

static void print_command(FILE *out, const struct cli_command *command)
{
    fprintf(out, "  levee %s%s%s%s%s\n", command->noun, command->verb == NULL ? "" : " ",
            command->verb == NULL ? "" : command->verb, command->words[0] == '\0' ? "" : " ",
            command->words);
}

static void print_help(FILE *out)
{
    fputs("levee: a Kafka-compatible log broker that acknowledges what is on stable storage\n\n",
          out);
    for (size_t i = 0; i < array_count(commands); i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s %s", commands[i].noun,
                 commands[i].verb == NULL ? "" : commands[i].verb);
        fprintf(out, "  %-22s %s\n", name, commands[i].purpose);
    }
    fputs("\n`levee COMMAND --help` tells a command's options.\n"
          "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 exists or in use,\n"
          "5 not authorised, 6 timed out; servers: 10 storage failed, 11 did not stop in time.\n",
          out);
}

static void print_command_help(FILE *out, const struct cli_command *command)
{
    fprintf(out, "%s\n\n", command->purpose);
    print_command(out, command);
    if (command->help != NULL)
        fprintf(out, "\n%s\n", command->help);
    if (command->options[0] != '\0')
        fputs("\nOptions:\n", out);
    for (size_t i = 0; i < array_count(option_rows); i++) {
        const struct option_row *row = &option_rows[i];
        char name[64];
        if (strchr(command->options, row->letter) == NULL)
            continue;
        snprintf(name, sizeof(name), "%s%s%s %s", row->short_name == NULL ? "" : row->short_name,
                 row->short_name == NULL ? "" : ", ", row->long_name,
                 row->argument == NULL ? "" : row->argument);
        fprintf(out, "  %-34s %s\n", name, row->help);
    }
}

/* ---- options */

static enum cli_exit set_number(const char *name, const char *text, int64_t min, int64_t max,
                                int64_t *out)
{
    if (text_parse_i64(text, strlen(text), min, max, out) == OK)
        return CLI_OK;
    return cli_fail(CLI_USAGE, "%s takes a number from %lld to %lld, not \"%s\"", name,
                    (long long)min, (long long)max, text);
}

/* -X of rpk: the one setting that has a meaning here. */
static enum cli_exit set_rpk(struct cli *cli, const char *value)
{
    const char *equals = strchr(value, '=');
    size_t size_bytes = equals == NULL ? 0 : (size_t)(equals - value);

    if (!text_equal(value, size_bytes, "brokers") &&
        !text_equal(value, size_bytes, "kafka_api.brokers"))
        return cli_fail(CLI_USAGE, "-X knows brokers=HOST:PORT,... only, not \"%s\"", value);
    cli->brokers = equals + 1;
    return CLI_OK;
}

/* -f and --format are one in rpk: of records a template, too. */
static enum cli_exit set_format(struct cli *cli, const struct cli_command *command,
                                const struct option_row *row, const char *value)
{
    bool is_produce = command->run == command_produce;
    const char *name = row->letter == 'f' ? row->long_name : row->short_name;
    char problem[256];

    if (strcmp(value, "json") == 0 || strcmp(value, "text") == 0) {
        cli->json = strcmp(value, "json") == 0;
        return CLI_OK;
    }
    if (!is_produce && command->run != command_consume)
        return cli_fail(CLI_USAGE, "%s is text or json, not \"%s\"", name, value);
    if (strpbrk(value, "%\\") == NULL)
        return cli_fail(CLI_USAGE, "%s is text, json or a template, not \"%s\"; %s", name, value,
                        is_produce ? RECORD_FORMAT_INPUT_HELP : RECORD_FORMAT_HELP);
    cli->record_format = value;
    if (is_produce) {
        static char delimiter[RECORD_FORMAT_DELIMITER_MAX];
        if (!record_format_read(value, delimiter, problem, sizeof(problem)))
            return cli_fail(CLI_USAGE, "%s: %s; %s", name, problem, RECORD_FORMAT_INPUT_HELP);
        cli->key_demanded = delimiter[0] != '\0';
        cli->key_delimiter = cli->key_demanded ? delimiter : NULL;
        return CLI_OK;
    }
    if (!record_format_check(value, problem, sizeof(problem)))
        return cli_fail(CLI_USAGE, "%s: %s; %s", name, problem, RECORD_FORMAT_HELP);
    return CLI_OK;
}

/* Of verify and probe, and those without a value. */
static enum cli_exit set_other_option(struct cli *cli, const struct option_row *row,
                                      const char *value)
{
    enum cli_exit result = CLI_OK;
    int64_t number = 0;

    switch (row->letter) {
    case 'B':
        cli->print_records = true;
        break;
    case 'y':
        cli->is_sure = true;
        break;
    case 'Q':
        cli->compares = true;
        break;
    case 'I':
        cli->ignored = value;
        break;
    case 'R':
        result = set_number(row->long_name, value, 1, 10000, &number);
        cli->rate = (double)number;
        break;
    case 'T':
        cli->topic = value;
        break;
    case 'G':
        cli->group = value;
        break;
    case 'H':
        cli->http = value;
        break;
    case 'A':
        result = set_number(row->long_name, value, 1, INT32_MAX, &number);
        cli->sla_ms = (int32_t)number;
        break;
    default:
        check(row->letter == 'O');
        cli->is_once = true;
    }
    return result;
}

/* -b; the second one of verify names what is compared with the first. */
static enum cli_exit set_brokers(struct cli *cli, const struct cli_command *command,
                                 const char *value)
{
    if (cli->brokers_other != NULL)
        return cli_fail(CLI_USAGE, "more than two -b: two clusters are compared");
    if (command->run == command_verify && cli->has_brokers)
        cli->brokers_other = value;
    else
        cli->brokers = value;
    cli->has_brokers = true;
    return CLI_OK;
}

static enum cli_exit set_option(struct cli *cli, const struct cli_command *command,
                                const struct option_row *row, const char *value)
{
    enum cli_exit result = CLI_OK;
    int64_t number = 0;

    switch (row->letter) {
    case 'b':
        return set_brokers(cli, command, value);
    case 'X':
        return set_rpk(cli, value);
    case 't':
        result = set_number(row->long_name, value, 1, INT32_MAX, &number);
        cli->timeout_ms = (int32_t)number;
        break;
    case 'l':
        result = set_number(row->long_name, value, 0, 60000, &number);
        cli->linger_ms = (int32_t)number;
        break;
    case 'f':
    case 'F':
        return set_format(cli, command, row, value);
    case 'c':
        cli->file = value;
        break;
    case 's':
    case 'S':
        if (cli->set_count == CLI_SETS_MAX)
            return cli_fail(CLI_USAGE, "more than %d values", CLI_SETS_MAX);
        cli->sets[cli->set_count++] = value;
        break;
    case 'p':
        result = set_number(row->long_name, value, 0, INT32_MAX, &number);
        cli->partitions = (int32_t)number;
        break;
    case 'r':
        result = set_number(row->long_name, value, 1, INT16_MAX, &number);
        cli->replicas = (int32_t)number;
        break;
    case 'o':
        cli->offset = value;
        if (!start_offset_parse(value, &(struct start_offset){0}))
            return cli_fail(CLI_USAGE, "\"%s\" is no place to begin; %s", value, START_OFFSET_HELP);
        break;
    case 'i':
        cli->is_committed = strcmp(value, "read_committed") == 0;
        if (!cli->is_committed && strcmp(value, "read_uncommitted") != 0)
            return cli_fail(CLI_USAGE,
                            "--isolation is read_committed or read_uncommitted, not \"%s\"", value);
        break;
    case 'n':
        result = set_number(row->long_name, value, 0, INT64_MAX, &cli->count);
        break;
    case 'k':
        cli->key = value;
        break;
    case 'K':
        cli->key_delimiter = value;
        break;
    case 'z':
        cli->codec = value;
        break;
    case 'a':
        cli->acks = strcmp(value, "all") == 0 ? -1 : strcmp(value, "1") == 0 ? 1 : 0;
        if (cli->acks == 0 && strcmp(value, "0") != 0)
            return cli_fail(CLI_USAGE, "--acks is all, 1 or 0, not \"%s\"", value);
        break;
    case 'P':
        result = set_number(row->long_name, value, 0, UINT16_MAX, &number);
        cli->port = (int32_t)number;
        break;
    case 'D':
        cli->dir = value;
        break;
    default:
        return set_other_option(cli, row, value);
    }
    return result;
}

static const struct option_row *find_option(const struct cli_command *command, const char *word,
                                            const char **value_out)
{
    *value_out = NULL;
    for (size_t i = 0; i < array_count(option_rows); i++) {
        const struct option_row *row = &option_rows[i];
        size_t long_bytes = strlen(row->long_name);
        if (strchr(command->options, row->letter) == NULL)
            continue;
        if (row->short_name != NULL && strncmp(word, row->short_name, 2) == 0 && word[1] != '-') {
            *value_out = word[2] != '\0' ? word + 2 : NULL;
            return row;
        }
        if (strncmp(word, row->long_name, long_bytes) == 0 &&
            (word[long_bytes] == '\0' || word[long_bytes] == '=')) {
            *value_out = word[long_bytes] == '=' ? word + long_bytes + 1 : NULL;
            return row;
        }
    }
    return NULL;
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0';
}

static enum cli_exit parse(struct cli *cli, const struct cli_command *command, int argc,
                           char **argv)
{
    bool only_words = false;

    for (int i = 0; i < argc; i++) {
        const struct option_row *row;
        const char *value;
        enum cli_exit result;
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
            continue;
        }
        if (only_words || !is_option(argv[i])) {
            if (cli->word_count == command->words_max)
                return cli_fail(CLI_USAGE, "\"%s\" is one word too many; see levee %s --help",
                                argv[i], cli->command);
            cli->words[cli->word_count++] = argv[i];
            continue;
        }
        row = find_option(command, argv[i], &value);
        if (row == NULL)
            return cli_fail(CLI_USAGE, "unknown option %s; see levee %s --help", argv[i],
                            cli->command);
        if (row->argument != NULL && value == NULL) {
            if (++i == argc)
                return cli_fail(CLI_USAGE, "%s needs a value: %s", row->long_name, row->argument);
            value = argv[i];
        }
        result = set_option(cli, command, row, value);
        if (result != CLI_OK)
            return result;
    }
    if (cli->word_count < command->words_min)
        return cli_fail(CLI_USAGE, "something is missing: levee %s %s", cli->command,
                        command->words);
    return CLI_OK;
}

static const struct cli_command *find_command(int argc, char **argv, int *used_out)
{
    for (size_t i = 0; i < array_count(commands); i++) {
        const struct cli_command *command = &commands[i];
        if (strcmp(argv[1], command->noun) != 0)
            continue;
        if (command->verb == NULL || (argc > 2 && strcmp(argv[2], command->verb) == 0)) {
            *used_out = command->verb == NULL ? 2 : 3;
            return command;
        }
    }
    return NULL;
}

static enum cli_exit unknown_command(int argc, char **argv)
{
    bool known_noun = false;

    for (size_t i = 0; i < array_count(commands); i++)
        if (strcmp(argv[1], commands[i].noun) == 0) {
            if (!known_noun)
                fprintf(stderr, "levee: %s needs one of these verbs:\n", argv[1]);
            known_noun = true;
            print_command(stderr, &commands[i]);
        }
    return known_noun ? CLI_USAGE
                      : cli_fail(CLI_USAGE, "unknown command %s; see levee --help", argv[1]);
}

/* A standard descriptor that the caller closed would be given to the next socket: what is printed
 * would go to the broker.  Take its number with something that cannot be used in its direction. */
static void hold_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
    struct cli cli = {.brokers = "127.0.0.1:9092",
                      .timeout_ms = 30000,
                      .partitions = -1,
                      .replicas = -1,
                      .count = -1,
                      .port = -1,
                      .acks = -1,
                      .linger_ms = 5,
                      .record_format = "%v\\n",
                      .offset = "start",
                      .rate = 10,
                      .topic = "levee-end-to-end",
                      .group = "levee-end-to-end",
                      .http = "127.0.0.1:9645",
                      .sla_ms = 20000};
    const struct cli_command *command;
    char name[64];
    int used;
    enum cli_exit result;

    hold_standard_descriptors();
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(argc < 2 ? stderr : stdout);
        return argc < 2 ? CLI_USAGE : CLI_OK;
    }
    command = find_command(argc, argv, &used);
    if (command == NULL)
        return (int)unknown_command(argc, argv);
    snprintf(name, sizeof(name), "%s%s%s", command->noun, command->verb == NULL ? "" : " ",
             command->verb == NULL ? "" : command->verb);
    cli.command = name;
    if (command->is_own) {
        cli.argc = argc - used;
        cli.argv = argv + used;
        result = command->run(&cli);
        return output_flush() != OK && result == CLI_OK ? CLI_FAILED : (int)result;
    }
    for (int i = used; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_command_help(stdout, command);
            return CLI_OK;
        }
    result = parse(&cli, command, argc - used, argv + used);
    if (result == CLI_OK)
        result = command->run(&cli);
    if (output_flush() != OK && result == CLI_OK)
        result = CLI_FAILED;
    return (int)result;
}
