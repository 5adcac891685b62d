/* filling.h -- structs filled from the nodes of a document by their shape, or a refusal that says what was meant. */
#ifndef HWA_FILLING_H
#define HWA_FILLING_H

#include "document.h"
#include "shape.h"

/* An option of the design that this release does not have yet; the path without indices. */
struct filling_later {
	const char *path;
};

/* A new struct of the group `shape`, for filling_free(), whatever was taken out of it.  RC_INPUT: an option that is unknown, there twice,
 * missing or not of its shape. `later` ends with NULL. */
enum rc filling_make(const struct document *document, const struct shape *shape, const struct filling_later *later,
		     void **ret_filled, struct err *err) HWA_CHECKED;
void filling_free(const struct shape *shape, void *filled);

#endif /* HWA_FILLING_H */
