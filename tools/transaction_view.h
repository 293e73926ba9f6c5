/* transaction_view: what the commands of `levee txn` ask a broker about a transactional id. */
#ifndef LEVEE_TOOLS_TRANSACTION_VIEW_H
#define LEVEE_TOOLS_TRANSACTION_VIEW_H

#include "net/protocol/msg_describe_transactions.h"
#include "tools/cli.h"

enum { TRANSACTION_VIEW_BYTES = 64 << 20 /* of an arena for these calls */ };

typedef struct describe_transactions_response_transaction_state transaction_view;

/* Of an id; *out lies in the arena, its texts live until the client's next call.  Says what is
 * wrong. */
must_use enum cli_exit transaction_view_load(const struct cli *cli, struct blocking_client *client,
                                             struct wire_string id, struct arena *arena,
                                             const transaction_view **out);

/* The id that has this producer id, copied into the arena; its text is NULL when none has. */
must_use enum cli_exit transaction_view_find(const struct cli *cli, struct blocking_client *client,
                                             int64_t producer_id, struct arena *arena,
                                             struct wire_string *out);

/* Fences the producer of an id that was loaded, which aborts what it has open.  *producer_id and
 * *epoch: the new ones. */
must_use enum cli_exit transaction_view_fence(const struct cli *cli, struct blocking_client *client,
                                              struct wire_string id, int32_t timeout_ms,
                                              int64_t *producer_id, int16_t *epoch);

#endif
