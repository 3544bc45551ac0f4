/* Worker threads that all pipelines of the process share.

   Threads start when the first pipeline needs them. They are joined when the last one
   that used them has left. A pipeline is a client: it requests workers, one for each
   call of fm_pool_request, and a worker serves the request by calling `work` once.
   Requests are served in turns, so that no client waits for the end of another. */
#ifndef FM_POOL_H
#define FM_POOL_H

#include <stddef.h>

#define FM_POOL_MAX_THREADS 256

/* A part of whatever requests workers. Its owner sets the first two members before the
   first request. */
struct fm_pool_client {
    /* Do some of the work, in the thread of worker number `worker`, 1 or more. The
       scratch belongs to the worker. It is NULL if the worker has less than needed. */
    void (*work)(struct fm_pool_client *client, int worker, void *scratch);
    size_t scratch_nbytes; /* bytes of scratch that `work` needs */
    struct fm_pool_client *next; /* in the queue of clients that have requests */
    int n_requests;
};

/* Call this once per process, before the other functions. A forked child has an empty
   pool of its own. The clients of its parent must not use it. */
void fm_pool_setup(void);

/* Return the number of forks between fm_pool_setup and this process. */
unsigned fm_pool_fork_count(void);

/* Begin to use the pool. */
void fm_pool_acquire(void);

/* End the use of the pool. The last user joins the threads.
   Not checked: the user has no requests, and no worker is in its `work`. So a worker
   that calls this inside the `work` of one user, for another user, is never the last
   one, and never joins itself. */
void fm_pool_release(void);

/* Start the threads that are missing for `n_threads` to work at once, and get scratch
   of `scratch_nbytes` bytes for all threads, since any of them may serve any request.
   Return how many of the n_threads there are: the system may refuse some, and scratch
   too.
   Not checked: this is called between acquire and release. */
int fm_pool_start(int n_threads, size_t scratch_nbytes);

/* Ask for one more call of client->work, and wake a worker if one sleeps. */
void fm_pool_request(struct fm_pool_client *client);

/* Drop the requests that no worker has begun to serve, and return their number. */
int fm_pool_withdraw(struct fm_pool_client *client);

/* Return whether a request waits until a worker leaves another client. This reads one
   variable, so it can be called after each piece of work. */
int fm_pool_is_short(void);

#endif
