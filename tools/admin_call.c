#include "tools/admin_call.h"

#include "base/check.h"
#include "tools/output.h"
#include "tools/patience.h"

#include <string.h>

enum { ARENA_BYTES = 64 << 20 };

/* One line for one name; the first failure decides the exit code. */
static void tell(const struct admin_call *call, const struct admin_outcome *outcome,
                 enum cli_exit *result)
{
    const char *error = kafka_error_name(outcome->error_code);

    if (call->cli->json) {
        struct output_object object;
        output_begin(&object);
        output_string(&object, call->kind, outcome->name);
        output_text(&object, "error", error);
        output_string(&object, "message", outcome->message);
        output_end(&object);
    } else if (outcome->error_code == KAFKA_NONE) {
        output_line("%.*s %s", CLI_TEXT(outcome->name), call->done);
    }
    if (outcome->error_code == KAFKA_NONE)
        return;
    if (!call->cli->json)
        cli_fail(CLI_FAILED, "%.*s: %s%s%.*s", CLI_TEXT(outcome->name), error,
                 outcome->message.size_bytes > 0 ? ": " : "", CLI_TEXT(outcome->message));
    if (*result == CLI_OK)
        *result = cli_exit_of_kafka(outcome->error_code);
}

static bool may_pass(int16_t error_code)
{
    return kafka_error_is_retriable(error_code) && error_code != KAFKA_REQUEST_TIMED_OUT &&
           error_code != KAFKA_UNKNOWN_TOPIC_OR_PARTITION && error_code != KAFKA_UNKNOWN_TOPIC_ID;
}

/* The error that lets it be asked again; KAFKA_NONE: none does. */
static int16_t passing_of(const struct admin_outcome *outcomes, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        if (may_pass(outcomes[i].error_code))
            return outcomes[i].error_code;
    return KAFKA_NONE;
}

/* The command's word that an answer names: what the answer points at goes with the next one. */
static struct wire_string word_of(const struct cli *cli, struct wire_string name)
{
    for (int i = 0; i < cli->word_count; i++)
        if (wire_string_is(name, cli->words[i]))
            return wire_string(cli->words[i]);
    return (struct wire_string){0};
}

enum cli_exit admin_call_run_on(struct admin_call *call, struct blocking_client *client)
{
    struct patience patience = patience_begin(call->cli->timeout_ms);
    struct wire_string names[CLI_WORDS_MAX];
    struct admin_outcome outcomes[CLI_WORDS_MAX];
    int32_t count = call->cli->word_count;
    enum cli_exit result = CLI_OK;

    call->client = client;
    arena_init(&call->arena, ARENA_BYTES);
    for (int32_t i = 0; i < count; i++)
        names[i] = wire_string(call->cli->words[i]);
    while (count > 0) {
        int32_t outcome_count = 0;
        int32_t left_count = 0;
        bool is_again;
        enum err err;
        arena_reset(&call->arena);
        err = call->ask(call, names, count, outcomes, &outcome_count);
        if (err != OK && patience_with(&patience, err))
            continue;
        if (err != OK) {
            result = cli_call_failed(call->what, err);
            break;
        }
        check(outcome_count <= count);
        is_again = patience_with_kafka(&patience, passing_of(outcomes, outcome_count));
        for (int32_t i = 0; i < outcome_count; i++) {
            struct wire_string word = word_of(call->cli, outcomes[i].name);
            if (is_again && may_pass(outcomes[i].error_code) && word.text != NULL)
                names[left_count++] = word;
            else
                tell(call, &outcomes[i], &result);
        }
        count = left_count;
    }
    arena_deinit(&call->arena);
    return result;
}

/* A broker answers such a name once, and may do one of the two. */
static enum cli_exit check_words(const struct cli *cli)
{
    for (int i = 0; i < cli->word_count; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(cli->words[i], cli->words[j]) == 0)
                return cli_fail(CLI_USAGE, "%s is named twice; nothing was done", cli->words[i]);
    return CLI_OK;
}

enum cli_exit admin_call_run(struct admin_call *call)
{
    struct blocking_client *client;
    enum cli_exit result = check_words(call->cli);

    if (result == CLI_OK)
        result = cli_connect(call->cli, &client);
    if (result != CLI_OK)
        return result;
    result = admin_call_run_on(call, client);
    blocking_client_close(client);
    return result;
}
