/* admin_call: one request about several names (topics, groups), asked again for those whose error
 * may pass by itself, within --timeout; and a line for each.
 *
 * What was refused is asked again, and what was done is not.  After a lost connection the whole is
 * asked again, as other clients do: whether it was done is not known, and the answer may then be
 * that it is done already.  Nothing is asked again after REQUEST_TIMED_OUT, when the broker goes on
 * by itself. */
#ifndef LEVEE_TOOLS_ADMIN_CALL_H
#define LEVEE_TOOLS_ADMIN_CALL_H

#include "tools/cli.h"

/* What became of one name. */
struct admin_outcome {
    struct wire_string name;
    int16_t error_code;
    struct wire_string message;
};

struct admin_call {
    const struct cli *cli;
    const char *what; /* "CreateTopics" */
    const char *kind; /* "topic": a member's name in JSON */
    const char *done; /* "created" */
    /* Ask about these names (a part of the command's words).  outcomes: room for one a name; what
     * they point at may lie in the client or the arena. */
    enum err (*ask)(struct admin_call *call, const struct wire_string *names, int32_t count,
                    struct admin_outcome *outcomes, int32_t *outcome_count);
    struct blocking_client *client;
    struct arena arena; /* of one request */
};

/* Connects, asks, tells.  The rest of call is the caller's to fill. */
enum cli_exit admin_call_run(struct admin_call *call);

/* The same over a connection that is there already. */
enum cli_exit admin_call_run_on(struct admin_call *call, struct blocking_client *client);

#endif
