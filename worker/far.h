/* far.h - what makes an agent one on another host: how it begins with nothing but standard input and output, and a post
 * (worker/post.h) in their place. */
#ifndef WORKER_FAR_H
#define WORKER_FAR_H

#include "base/err.h"
#include "wire/order.h"
#include "worker/post.h"

/* Says on standard output that an agent is here, and reads its order from standard input; the environment in it
 * becomes ours, less what belongs to a host, and points into it. A launcher that says nothing for a minute ends this
 * process. 0, or -1 with *err. */
int mpl__far_begin (mpl_order_t *order, mpl_err_t *err);

/* Standard input and output become the post's, and pipes that it carries take their place and that of standard error.
 * NULL with *err. */
mpl_post_t *mpl__far_post (mpl_loop_t *loop, const mpl_post_fns_t *fns, mpl_err_t *err);

/* Nothing more is written: what is under way can come to its end. */
void mpl__far_end_output (void);

#endif
