/* line_input: the lines of a file descriptor, as they come, with an eye on the clock and on a
 * second descriptor that says stop.
 *
 * For one thread; the descriptors are the caller's.
 *   LIN-1  begin_pos <= scanned_pos <= end_pos <= capacity_bytes; no newline in
 *          begin_pos..scanned_pos
 *   LIN-2  a line is at most LINE_INPUT_LINE_MAX bytes, so that is what the buffer may grow to */
#ifndef LEVEE_TOOLS_LINE_INPUT_H
#define LEVEE_TOOLS_LINE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINE_INPUT_LINE_MAX = 64 << 20 };

enum line_input_event {
    LINE_INPUT_LINE,     /* here is one */
    LINE_INPUT_DEADLINE, /* none so far */
    LINE_INPUT_STOP,     /* the second descriptor is readable */
    LINE_INPUT_END,      /* no more; what stood behind the last newline was given as a line */
    LINE_INPUT_TOO_LONG, /* a line above the limit */
    LINE_INPUT_FAILED,   /* errno says why */
};

struct line_input {
    int fd;
    int stop_fd; /* -1: none */
    char *bytes;
    size_t begin_pos; /* of the next line */
    size_t scanned_pos;
    size_t end_pos;
    size_t capacity_bytes;
    bool ended;
};

void line_input_init(struct line_input *input, int fd, int stop_fd);
void line_input_deinit(struct line_input *input);

/* The next line without its newline, valid until the next call.  Lines that were read already come
 * at once; only then does it wait, until deadline_ms (of line_input_now_ms; -1: without end). */
enum line_input_event line_input_next(struct line_input *input, int64_t deadline_ms,
                                      const char **line, size_t *size_out);

/* Bytes of a line that has not ended yet. */
size_t line_input_unfinished_bytes(const struct line_input *input);

/* The clock of the deadlines: monotonic milliseconds. */
int64_t line_input_now_ms(void);

#endif
