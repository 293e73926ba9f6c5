/* mailbox: messages from other loops, in order, without a lock.
 *
 * Many senders, one reader.  A mail is embedded in the message's owner (a request, a call), which
 * bounds the number of mails in flight; the mailbox itself allocates nothing. */
#ifndef LEVEE_BASE_MAILBOX_H
#define LEVEE_BASE_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>

struct mail {
    struct mail *next;
    void (*deliver)(struct mail *mail); /* on the receiving loop */
};

struct mailbox {
    _Atomic(struct mail *) newest; /* a stack: the reader turns it round */
};

void mailbox_init(struct mailbox *mailbox);

/* Any thread.  True: the mailbox was empty, so the reader may sleep and must be woken. */
bool mailbox_post(struct mailbox *mailbox, struct mail *mail);

/* The reader: everything posted so far, oldest first, linked by next; NULL when empty. */
struct mail *mailbox_take_all(struct mailbox *mailbox);

/* The reader: is there anything? */
bool mailbox_is_empty(const struct mailbox *mailbox);

#endif
