/* ask_controller: a request's way to the controller, on shard 0, and back home.
 *
 * The request's arena is the controller's until answered runs. */
#ifndef LEVEE_BROKER_ASK_CONTROLLER_H
#define LEVEE_BROKER_ASK_CONTROLLER_H

#include "broker/metadata/controller.h"
#include "broker/request.h"

struct controller_ask {
    struct shard_call hop;
    struct controller_call call;
    struct request *request;
    int32_t timeout_ms;
    struct timer deadline; /* on shard 0 */
    void (*start)(struct controller *controller, struct controller_call *call);
    void (*answered)(struct request *request, enum err err);
};

enum { ASK_CONTROLLER_NO_TIMEOUT = -1 };

/* Let the controller fill request->response from request->body (start: controller_create_topics and
 * the like), then answered at home: OK, or an error after which the response is to be made anew;
 * ERR_TIMEOUT: timeout_ms (above 0) were not enough, and it may or may not take effect. */
void ask_controller(struct request *request, int32_t timeout_ms,
                    void (*start)(struct controller *controller, struct controller_call *call),
                    void (*answered)(struct request *request, enum err err));

/* What clients are told when the controller did nothing: they try again where that may help. */
int16_t ask_controller_error(enum err err);

#endif
