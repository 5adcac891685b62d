/* place.h -- where in the file an option stands, for the message that refuses it. */
#ifndef HWA_PLACE_H
#define HWA_PLACE_H

#include "document.h"

/* One entry of a list: "certificates[3]"; "" at the top. */
struct place {
	const struct document *document;
	char path[DOCUMENT_PATH_MAX];
	struct err *err;
};
struct place place_at(const struct document *document, const char *list, unsigned index, struct err *err);

/* "FILE:LINE: certificates[3].OPTION: "TEXT": INSTEAD"; the message ends with what to write instead. */
enum rc place_refuse(const struct place *place, const char *option, const char *text, const char *instead);
/* The same of a URL: user and password that somebody wrote into it are not shown. */
enum rc place_refuse_url(const struct place *place, const char *option, const char *text, const char *instead);

#endif /* HWA_PLACE_H */
