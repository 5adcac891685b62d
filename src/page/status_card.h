/* status_card.h -- one certificate on the status page; what a card has is the business of status_page.h. */
#ifndef HWA_STATUS_CARD_H
#define HWA_STATUS_CARD_H

#include "html.h"
#include "status_page.h"

void status_card(struct html *html, const struct status_page_certificate *certificate, int64_t now);

#endif /* HWA_STATUS_CARD_H */
