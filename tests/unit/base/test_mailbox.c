#include "base/check.h"
#include "base/mailbox.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>

struct letter {
    struct mail mail;
    uint32_t sender;
    uint32_t number;
};

Test(mailbox, gives_back_what_was_posted_oldest_first)
{
    struct mailbox mailbox;
    struct letter letters[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    struct mail *mail;

    mailbox_init(&mailbox);
    cr_assert(mailbox_is_empty(&mailbox));
    cr_assert(eq(ptr, mailbox_take_all(&mailbox), NULL));
    for (uint32_t i = 0; i < 3; i++)
        mailbox_post(&mailbox, &letters[i].mail);
    cr_assert(not(mailbox_is_empty(&mailbox)));
    mail = mailbox_take_all(&mailbox);
    for (uint32_t i = 0; i < 3; i++, mail = mail->next)
        cr_assert(eq(u32, container_of(mail, struct letter, mail)->number, i));
    cr_assert(eq(ptr, mail, NULL));
    cr_assert(mailbox_is_empty(&mailbox));
}

Test(mailbox, says_to_the_first_sender_only_that_the_reader_may_sleep)
{
    struct mailbox mailbox;
    struct letter letters[3] = {0};

    mailbox_init(&mailbox);
    cr_assert(mailbox_post(&mailbox, &letters[0].mail));
    cr_assert(not(mailbox_post(&mailbox, &letters[1].mail)));
    mailbox_take_all(&mailbox);
    cr_assert(mailbox_post(&mailbox, &letters[2].mail));
}

enum { SENDER_COUNT = 4, LETTER_COUNT = 20000 };

static struct mailbox shared;
static struct letter sent[SENDER_COUNT][LETTER_COUNT];

static void *send_all(void *argument)
{
    uint32_t sender = (uint32_t)(uintptr_t)argument;

    for (uint32_t i = 0; i < LETTER_COUNT; i++) {
        sent[sender][i] = (struct letter){.sender = sender, .number = i};
        mailbox_post(&shared, &sent[sender][i].mail);
    }
    return NULL;
}

Test(mailbox, keeps_the_order_of_each_of_several_threads_and_loses_nothing, .timeout = 600)
{
    pthread_t threads[SENDER_COUNT];
    uint32_t next[SENDER_COUNT] = {0};
    uint32_t received = 0;

    mailbox_init(&shared);
    for (uintptr_t i = 0; i < SENDER_COUNT; i++)
        pthread_create(&threads[i], NULL, send_all, (void *)i);
    while (received < SENDER_COUNT * LETTER_COUNT) {
        struct mail *mail = mailbox_take_all(&shared);

        if (mail == NULL)
            sched_yield();
        for (; mail != NULL; mail = mail->next, received++) {
            struct letter *letter = container_of(mail, struct letter, mail);

            cr_assert(eq(u32, letter->number, next[letter->sender]));
            next[letter->sender]++;
        }
    }
    for (uint32_t i = 0; i < SENDER_COUNT; i++) {
        pthread_join(threads[i], NULL);
        cr_assert(eq(u32, next[i], LETTER_COUNT));
    }
    cr_assert(mailbox_is_empty(&shared));
}
