/* levee serve, levee dev, levee config, levee explain, levee version. */
#include "broker/serve.h"

#include "base/clock_system.h"
#include "base/io_system.h"
#include "base/log_line.h"
#include "base/nearest.h"
#include "broker/topic_config.h"
#include "tools/cli.h"
#include "tools/data_path.h"
#include "tools/output.h"

#include <stdio.h>
#include <string.h>

extern char **environ;

static void print_problem(void *context, const char *text)
{
    fprintf(stderr, "levee: configuration: %s\n", text);
}

static void print_note(void *context, const char *text)
{
    fprintf(stderr, "levee: note: %s\n", text);
}

enum { METRICS_PORT_BESIDE = 9644 - 9092 };

/* What --port and --dir stand for, behind the values of --set. */
struct composed {
    const char *sets[CLI_SETS_MAX + 4]; /* ends with NULL */
    char listeners[64];
    char http[64];
    char dirs[4352];
};

static void compose(const struct cli *cli, struct composed *out)
{
    int count = 0;

    memset(out, 0, sizeof(*out));
    for (; count < cli->set_count; count++)
        out->sets[count] = cli->sets[count];
    if (cli->port >= 0) {
        int metrics = cli->port == 0 ? 0 : (cli->port + METRICS_PORT_BESIDE) % 65536;
        snprintf(out->listeners, sizeof(out->listeners), "listeners=PLAINTEXT://127.0.0.1:%d",
                 cli->port);
        snprintf(out->http, sizeof(out->http), "levee.http.listener=127.0.0.1:%d", metrics);
        out->sets[count++] = out->listeners;
        out->sets[count++] = out->http;
    }
    if (cli->dir != NULL) {
        snprintf(out->dirs, sizeof(out->dirs), "log.dirs=%s", cli->dir);
        out->sets[count++] = out->dirs;
    }
}

static enum cli_exit load(const struct cli *cli, bool dev, struct config **out)
{
    struct composed composed;
    struct config_load_options options = {.file = cli->file,
                                          .sets = composed.sets,
                                          .environment = (const char *const *)environ,
                                          .dev = dev};
    struct io *io; /* to read a file: what a broker runs on is chosen by what that says */
    enum err err = io_plain_create(&(struct io_plain_options){0}, &io);

    if (err != OK)
        return cli_fail(CLI_FAILED,
                        "too few descriptors or too little memory to begin (%s): raise ulimit -n",
                        err_text(err));
    compose(cli, &composed);
    err = config_load(io, &options, print_problem, print_note, NULL, out);
    io->v->destroy(io);
    return err == OK ? CLI_OK : CLI_USAGE;
}

/* For who has just started it by hand. */
static void print_welcome(const struct config *config)
{
    const struct config_listener *listener = config_listener_at(config, 0);
    const char *http = config_values(config)->levee_http_listener;
    char at[64] = "";

    if (listener->port != 9092)
        snprintf(at, sizeof(at), " -b 127.0.0.1:%u", listener->port);
    fprintf(stderr,
            "\nlevee listens on %s:%u; its data lies in %s; metrics are on http://%s/metrics; "
            "Ctrl-C stops it.\nIn another terminal:\n"
            "  echo hello | levee produce greetings%s\n"
            "  levee consume greetings -o start -n 1%s\n"
            "or with any Kafka client:\n"
            "  echo hello | kcat -b 127.0.0.1:%u -P -t greetings\n"
            "  kcat -b 127.0.0.1:%u -C -t greetings -o beginning -e\n\n",
            listener->host[0] == '\0' ? "*" : listener->host, listener->port,
            config_log_dir(config), http == NULL ? "" : http, at, at, listener->port,
            listener->port);
}

static enum cli_exit run(const struct cli *cli, bool dev)
{
    struct config *config;
    enum cli_exit result = load(cli, dev, &config);

    if (result != CLI_OK)
        return result;
    result = (enum cli_exit)serve(config, dev ? print_welcome : NULL);
    config_destroy(config);
    return result;
}

enum cli_exit command_serve(struct cli *cli)
{
    return run(cli, false);
}

enum cli_exit command_dev(struct cli *cli)
{
    return run(cli, true);
}

enum cli_exit command_config_check(struct cli *cli)
{
    struct config *config;
    enum cli_exit result = load(cli, false, &config);

    if (result != CLI_OK)
        return result;
    result = data_path_check(config_log_dir(config));
    if (result != CLI_OK) {
        config_destroy(config);
        return result;
    }
    for (uint32_t i = 0; i < config_listener_count(config); i++) {
        const struct config_listener *listener = config_listener_at(config, i);
        struct output_object object;
        if (!cli->json) {
            output_line("listener %s on %s:%u", listener->name,
                        listener->host[0] == '\0' ? "*" : listener->host, listener->port);
            continue;
        }
        output_begin(&object);
        output_text(&object, "listener", listener->name);
        output_text(&object, "host", listener->host);
        output_number(&object, "port", listener->port);
        output_end(&object);
    }
    if (!cli->json)
        puts("the configuration is right");
    config_destroy(config);
    return CLI_OK;
}

static const char *effect_text(enum config_effect effect)
{
    static const char *const texts[] = {[CONFIG_ACTS] = "acts",
                                        [CONFIG_STORED] = "stored, without effect yet",
                                        [CONFIG_IGNORED] = "no effect here",
                                        [CONFIG_REFUSED] = "refused"};

    return texts[effect];
}

static void print_key(const struct config_key *key, const char *scope)
{
    printf("%s (%s)\n  default: %s\n  %s%s\n  %s\n", key->name, scope,
           key->default_text == NULL ? "none" : key->default_text, effect_text(key->effect),
           key->dynamic ? "; may be changed while running" : "", key->doc);
    if (key->choices != NULL)
        printf("  one of: %s\n", key->choices);
}

/* One object a line. */
static void print_key_json(const struct config_key *key, const char *scope)
{
    printf("{\"scope\":\"%s\",\"name\":\"%s\",\"default\":", scope, key->name);
    if (key->default_text == NULL)
        fputs("null", stdout);
    else
        output_json_text(key->default_text, strlen(key->default_text));
    printf(",\"effect\":\"%s\",\"dynamic\":%s,\"doc\":", effect_text(key->effect),
           key->dynamic ? "true" : "false");
    output_json_text(key->doc, strlen(key->doc));
    puts("}");
}

static void explain_key(const struct cli *cli, const struct config_key *key, const char *scope)
{
    if (cli->json)
        print_key_json(key, scope);
    else
        print_key(key, scope);
}

enum cli_exit command_config_explain(struct cli *cli)
{
    const struct config_key *broker_key = config_key_find(cli->words[0]);
    const struct config_key *topic_key = topic_config_key_find(cli->words[0]);
    const char *names[512];
    const char *near;
    uint32_t count;
    const struct config_key *keys = config_keys(&count);

    if (broker_key != NULL)
        explain_key(cli, broker_key, "broker");
    if (topic_key != NULL)
        explain_key(cli, topic_key, "topic");
    if (broker_key != NULL || topic_key != NULL)
        return CLI_OK;
    for (uint32_t i = 0; i < count && i < 512; i++)
        names[i] = keys[i].name;
    near = nearest_name(cli->words[0], names, count < 512 ? count : 512);
    return cli_fail(CLI_NOT_FOUND, "no key %s%s%s%s", cli->words[0],
                    near == NULL ? "" : "; did you mean ", near == NULL ? "" : near,
                    near == NULL ? "" : "?");
}

static void list_keys(const struct config_key *keys, uint32_t count, const char *scope, bool json)
{
    for (uint32_t i = 0; i < count; i++) {
        const char *value = keys[i].default_text;
        if (json)
            print_key_json(&keys[i], scope);
        else
            printf("%-7s %-60s %s\n", scope, keys[i].name, value == NULL ? "-" : value);
    }
}

enum cli_exit command_config_list(struct cli *cli)
{
    uint32_t count;
    const struct config_key *keys = config_keys(&count);

    list_keys(keys, count, "broker", cli->json);
    keys = topic_config_keys(&count);
    list_keys(keys, count, "topic", cli->json);
    return CLI_OK;
}

enum cli_exit command_explain(struct cli *cli)
{
    const struct log_code *code = log_code_find(cli->words[0]);

    if (code == NULL)
        return cli_fail(CLI_NOT_FOUND, "no code %s; codes look like LVE-2101", cli->words[0]);
    if (!cli->json) {
        printf("%s: %s\n%s\n", code->code, code->text, code->advice);
        return CLI_OK;
    }
    printf("{\"code\":\"%s\",\"text\":", code->code);
    output_json_text(code->text, strlen(code->text));
    fputs(",\"advice\":", stdout);
    output_json_text(code->advice, strlen(code->advice));
    puts("}");
    return CLI_OK;
}

enum cli_exit command_version(struct cli *cli)
{
    puts(cli->json ? "{\"version\":\"" LEVEE_VERSION "\"}" : "levee " LEVEE_VERSION);
    return CLI_OK;
}
