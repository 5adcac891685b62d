/* status_list.h -- the order in which the status page shows certificates: those that need attention, then the soonest. */
#ifndef HWA_STATUS_LIST_H
#define HWA_STATUS_LIST_H

#include "config.h"
#include "status_page.h"

struct status_list;

/* Borrows both; the store is read only. */
enum rc status_list_new(const struct config *config, struct store *store, const char *host, struct status_list **ret_list,
			struct err *err) HWA_CHECKED;
void status_list_free(struct status_list *list);

/*
 * Page `number` of those whose name has `find` in it ("": all), whole.  A number that is too high or 0 is the nearest.
 * All records are read for the order, and 16 bytes of each are kept until the store changes or their plans may have.
 */
enum rc status_list_print(struct status_list *list, const char *find, unsigned number, int64_t now, struct buf *html,
			  struct err *err) HWA_CHECKED;

AUTO_DEFINE(status_list, struct status_list *, status_list_free);

#endif /* HWA_STATUS_LIST_H */
