#include "tools/line_input.h"

#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 64 << 10 };

void line_input_init(struct line_input *input, int fd, int stop_fd)
{
    *input = (struct line_input){.fd = fd, .stop_fd = stop_fd};
}

void line_input_deinit(struct line_input *input)
{
    mem_free(input->bytes);
    *input = (struct line_input){.fd = -1, .stop_fd = -1};
}

int64_t line_input_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

size_t line_input_unfinished_bytes(const struct line_input *input)
{
    return input->end_pos - input->begin_pos;
}

static bool take_line(struct line_input *input, const char **line, size_t *size_out)
{
    const char *newline = NULL;

    if (input->scanned_pos < input->end_pos)
        newline =
            memchr(input->bytes + input->scanned_pos, '\n', input->end_pos - input->scanned_pos);
    input->scanned_pos = input->end_pos;
    if (newline == NULL && (!input->ended || input->begin_pos == input->end_pos))
        return false;
    *line = input->bytes + input->begin_pos;
    *size_out = newline == NULL ? input->end_pos - input->begin_pos : (size_t)(newline - *line);
    input->begin_pos += *size_out + (newline != NULL);
    input->scanned_pos = input->begin_pos; /* LIN-1 */
    return true;
}

static void make_room(struct line_input *input)
{
    if (input->begin_pos > 0) {
        memmove(input->bytes, input->bytes + input->begin_pos, input->end_pos - input->begin_pos);
        input->scanned_pos -= input->begin_pos;
        input->end_pos -= input->begin_pos;
        input->begin_pos = 0;
    }
    if (input->capacity_bytes - input->end_pos < READ_BYTES) {
        input->capacity_bytes = input->capacity_bytes * 2 + READ_BYTES;
        input->bytes = mem_realloc(input->bytes, input->capacity_bytes);
    }
}

/* LINE_INPUT_LINE: there is something to read, or the end of it. */
static enum line_input_event wait_for_bytes(const struct line_input *input, int64_t deadline_ms)
{
    struct pollfd pollers[2] = {{.fd = input->fd, .events = POLLIN},
                                {.fd = input->stop_fd, .events = POLLIN}};

    for (;;) {
        int64_t left = deadline_ms < 0 ? -1 : deadline_ms - line_input_now_ms();
        int ready = poll(pollers, 2, deadline_ms < 0 ? -1 : left < 0 ? 0 : (int)left);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready < 0)
            return LINE_INPUT_FAILED;
        if (pollers[1].revents != 0)
            return LINE_INPUT_STOP;
        return ready == 0 ? LINE_INPUT_DEADLINE : LINE_INPUT_LINE;
    }
}

enum line_input_event line_input_next(struct line_input *input, int64_t deadline_ms,
                                      const char **line, size_t *size_out)
{
    for (;;) {
        enum line_input_event event;
        ssize_t got;
        if (take_line(input, line, size_out))
            return LINE_INPUT_LINE;
        if (input->ended)
            return LINE_INPUT_END;
        if (line_input_unfinished_bytes(input) > LINE_INPUT_LINE_MAX)
            return LINE_INPUT_TOO_LONG;
        event = wait_for_bytes(input, deadline_ms);
        if (event != LINE_INPUT_LINE)
            return event;
        make_room(input);
        got = read(input->fd, input->bytes + input->end_pos, READ_BYTES);
        if (got > 0)
            input->end_pos += (size_t)got;
        else if (got == 0)
            input->ended = true;
        else if (errno != EINTR && errno != EAGAIN)
            return LINE_INPUT_FAILED;
    }
}
