/* levee produce: each line of standard input becomes a record.
 *
 * A record waits at most the linger for company, so what a slow pipe gives is stored as it comes.
 * SIGINT and SIGTERM end the input: what was read is stored first.  The second one ends the
 * process. */
#include "tools/line_input.h"
#include "tools/output.h"
#include "tools/record_sender.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static int stop_pipe[2] = {-1, -1};

static void on_signal(int number)
{
    int saved = errno;

    (void)number;
    if (write(stop_pipe[1], "", 1) < 0)
        _exit(CLI_FAILED); /* there was a signal before */
    errno = saved;
}

static bool catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

    return pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) == 0 && sigaction(SIGINT, &action, NULL) == 0 &&
           sigaction(SIGTERM, &action, NULL) == 0;
}

static enum cli_exit add_line(struct record_sender *sender, const char *line, size_t size_bytes)
{
    const struct cli *cli = sender->cli;
    const char *key = cli->key;
    int32_t key_bytes = key == NULL ? -1 : (int32_t)strlen(key);

    if (cli->key_delimiter != NULL) {
        const char *end = memmem(line, size_bytes, cli->key_delimiter, strlen(cli->key_delimiter));
        if (end != NULL) {
            key = line;
            key_bytes = (int32_t)(end - line);
            size_bytes -= (size_t)key_bytes + strlen(cli->key_delimiter);
            line = end + strlen(cli->key_delimiter);
        } else if (cli->key_demanded) {
            return cli_fail(CLI_FAILED, "a line does not fit the format: it has no \"%s\"",
                            cli->key_delimiter);
        }
    }
    return record_sender_add(sender, key, key_bytes, line, (int32_t)size_bytes);
}

static enum cli_exit read_lines(struct record_sender *sender, struct line_input *input)
{
    int64_t deadline_ms = -1; /* of the oldest record that is not sent */
    enum cli_exit result = CLI_OK;
    enum line_input_event event = LINE_INPUT_LINE;
    int failure = 0;

    while (result == CLI_OK && (event == LINE_INPUT_LINE || event == LINE_INPUT_DEADLINE)) {
        const char *line = NULL;
        size_t size_bytes = 0;
        event = line_input_next(input, deadline_ms, &line, &size_bytes);
        failure = errno;
        if (event == LINE_INPUT_LINE)
            result = add_line(sender, line, size_bytes);
        if (result == CLI_OK && deadline_ms >= 0 && line_input_now_ms() >= deadline_ms)
            result = record_sender_send(sender);
        if (record_sender_is_empty(sender))
            deadline_ms = -1;
        else if (deadline_ms < 0)
            deadline_ms = line_input_now_ms() + sender->cli->linger_ms;
        if (sender->cli->json && record_sender_is_empty(sender) && result == CLI_OK &&
            output_flush() != OK)
            result = CLI_FAILED;
    }
    if (result == CLI_OK)
        result = record_sender_send(sender);
    if (event == LINE_INPUT_FAILED)
        return cli_fail(CLI_FAILED, "standard input cannot be read: %s", strerror(failure));
    if (event == LINE_INPUT_TOO_LONG)
        return cli_fail(CLI_FAILED, "a line of standard input is longer than %d bytes",
                        LINE_INPUT_LINE_MAX);
    return result;
}

static void tell_count(const struct record_sender *sender, size_t unfinished_bytes)
{
    if (sender->stored_count == sender->gathered_count)
        fprintf(stderr, "%" PRIu64 " records stored\n", sender->stored_count);
    else
        fprintf(stderr,
                "%" PRIu64 " of %" PRIu64 " records stored; the others were not acknowledged\n",
                sender->stored_count, sender->gathered_count);
    if (unfinished_bytes > 0)
        fprintf(stderr, "%zu bytes after the last newline were not sent\n", unfinished_bytes);
}

static bool parse_codec(const char *text, enum compression *out)
{
    for (int codec = 0; codec <= COMPRESSION_ZSTD; codec++)
        if (text == NULL || strcmp(text, compression_name((enum compression)codec)) == 0) {
            *out = (enum compression)codec;
            return true;
        }
    return false;
}

enum cli_exit command_produce(struct cli *cli)
{
    struct record_sender sender;
    struct line_input input;
    enum compression codec;
    enum cli_exit result;

    if (!parse_codec(cli->codec, &codec))
        return cli_fail(CLI_USAGE, "-z is none, gzip, snappy, lz4 or zstd, not \"%s\"", cli->codec);
    if (cli->key_delimiter != NULL && cli->key_delimiter[0] == '\0')
        return cli_fail(CLI_USAGE, "-K needs at least one character");
    result = record_sender_init(&sender, cli, codec);
    if (result == CLI_OK && !catch_signals())
        result = cli_fail(CLI_FAILED, "signals: %s", strerror(errno));
    if (result == CLI_OK) {
        line_input_init(&input, STDIN_FILENO, stop_pipe[0]);
        result = read_lines(&sender, &input);
        tell_count(&sender, result == CLI_OK ? line_input_unfinished_bytes(&input) : 0);
        line_input_deinit(&input);
    }
    record_sender_deinit(&sender);
    return result;
}
