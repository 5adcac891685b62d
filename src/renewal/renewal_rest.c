/* renewal_rest.c -- a renewal that waits keeps little: its record is in the store, and is read again when its time has come. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "renewal_steps.h"

/* A certificate of which nothing is stored yet has an empty record. */
enum rc renewal_wake(struct renewal *renewal, struct err *err)
{
	const char *name = renewal->certificate->name;

	if (renewal->record)
		return RC_OK;
	struct store_certificate *record = calloc(1, sizeof(*record));
	if (!record)
		return err_set(err, RC_RESOURCE, "out of memory");
	enum rc rc = store_certificate_load(renewal->desk->store, name, record, err);
	if (rc != RC_OK && rc != RC_ABSENT) {
		free(record);
		return rc;
	}
	if (rc == RC_ABSENT)
		snprintf(record->name, sizeof(record->name), "%s", name);
	renewal->record = record;
	/* What is stored is the other order, until one was placed in its stead. */
	if (renewal->left && strcmp(record->order.url, renewal->left->url) == 0)
		record->order = (struct order){ .phase = ORDER_START };
	if (renewal->driver)
		driver_wake(renewal->driver, &record->order);
	return RC_OK;
}

/* Each step has stored what it changed: nothing but the driver's own is lost with the record. */
void renewal_rest(struct renewal *renewal)
{
	if (renewal->driver)
		driver_rest(renewal->driver);
	if (renewal->key)
		token_key_rest(renewal->key);
	free(renewal->accepted);
	renewal->accepted = NULL;
	free(renewal->record);
	renewal->record = NULL;
}
