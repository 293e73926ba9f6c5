/* Requests that wait: how their waiting ends before what they wait for has come, and what they hold
 * meanwhile. */
#include "broker/request_private.h"

void request_forget_wait(struct request *request)
{
    request->on_cancel = NULL;
    request->passed_on = REQUEST_NOT_CANCELED;
    if (list_is_linked(&request->hear_task.node))
        list_remove(&request->hear_task.node);
}

void request_end_wait(struct request *request)
{
    if (list_is_linked(&request->cancel_task.node))
        list_remove(&request->cancel_task.node);
    if (list_is_linked(&request->shed_node))
        list_remove(&request->shed_node);
}

void request_come_home(struct request *request)
{
    request->away = NULL;
    request->heard = request->canceled;
    request->continue_at(request);
}

/* ---- cancellation
 *
 * request_cancel at home → cancel_task: the request is at home: hear; else cancel_mail to where it
 * is → on_cancel_there: hear, unless it has left → cancel_mail back → on_cancel_back.  While the
 * mail is out the request may come home, where it waits for the mail: nobody else touches it then.
 */

/* A reason may reach whoever waits on two ways: as news, and because he began to wait after it. */
static void hear(struct request *request, enum request_cancel why)
{
    request->heard = why;
    if (request->on_cancel == NULL || why <= request->passed_on)
        return;
    request->passed_on = why;
    request->on_cancel(request, why);
}

static void ask_there(struct request *request);

static void on_cancel_back(struct mail *mail)
{
    struct request *request = container_of(mail, struct request, cancel_mail);

    request->asking = false;
    if (request->arrived) {
        request->arrived = false;
        request_come_home(request);
    } else if (request->told < request->canceled) {
        ask_there(request);
    }
}

static void on_cancel_there(struct mail *mail)
{
    struct request *request = container_of(mail, struct request, cancel_mail);

    if (request->at != request->home)
        hear(request, request->told);
    request->cancel_mail.deliver = on_cancel_back;
    loop_post(&request->home->loop, &request->cancel_mail);
}

static void ask_there(struct request *request)
{
    request->asking = true;
    request->told = request->canceled;
    request->cancel_mail.deliver = on_cancel_there;
    loop_post(&request->away->loop, &request->cancel_mail);
}

static void on_cancel_task(struct task *task)
{
    struct request *request = container_of(task, struct request, cancel_task);

    if (request->away == NULL)
        hear(request, request->canceled);
    else if (!request->asking)
        ask_there(request);
}

static void on_hear_task(struct task *task)
{
    struct request *request = container_of(task, struct request, hear_task);

    hear(request, request->heard);
}

void request_on_cancel(struct request *request, request_cancel_fn *cancel, void *context)
{
    request_forget_wait(request);
    request->on_cancel = cancel;
    request->cancel_context = context;
    if (cancel == NULL || request->heard == REQUEST_NOT_CANCELED)
        return;
    request->hear_task.run = on_hear_task;
    loop_defer(&request->at->loop, &request->hear_task);
}

void request_cancel(struct request *request, enum request_cancel why)
{
    if (why <= request->canceled)
        return;
    request->canceled = why;
    request->cancel_task.run = on_cancel_task;
    loop_defer(&request->home->loop, &request->cancel_task);
}

/* ---- what they hold
 *
 * request_shed where the request waits: its memory → home, by a mail that comes before the request
 * does: its frame, and its place among those that may be pressed. */

enum { PRESS_PART = 8 }; /* of the budget, that goes back at once */

static void shed_at_home(struct request *request)
{
    request_drop_frame(request);
    list_push_back(&request->home->requests->shed, &request->shed_node);
    request_pool_resume(request->home->requests);
}

static void on_shed(struct mail *mail)
{
    shed_at_home(container_of(mail, struct request, shed_mail));
}

void request_shed(struct request *request)
{
    request->body = NULL;
    request->response = NULL;
    request->client_id = wire_string(NULL);
    arena_reset(&request->arena);
    if (request->at == request->home) {
        shed_at_home(request);
        return;
    }
    request->shed_mail.deliver = on_shed;
    loop_post(&request->home->loop, &request->shed_mail);
}

uint32_t request_pool_press_shed(struct request_pool *pool)
{
    uint64_t max_bytes = memory_budget(&pool->shard->memory, MEMORY_DECODED)->max_bytes;
    uint32_t wanted_count = (uint32_t)(max_bytes / PRESS_PART / REQUEST_BYTES) + 1;
    uint32_t count = 0;

    while (count < wanted_count && !list_is_empty(&pool->shed)) {
        struct request *oldest = list_first(&pool->shed, struct request, shed_node);
        list_remove(&oldest->shed_node);
        request_cancel(oldest, REQUEST_PRESSED);
        count++;
    }
    return count;
}
