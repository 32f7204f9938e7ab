/* An order over 10,000 is flagged, any other is processed. */
#include "weir.h"

#define LIMIT 10000.0

void handle(weir_text event) {
    if (!weir_is(weir_member(event, "type"), "order.created")) return;

    weir_text data = weir_member(event, "data");
    weir_text order_id = weir_member(data, "order_id");
    weir_text amount = weir_member(data, "amount"); /* as text, so that the reply carries the very digits */
    weir_text currency = weir_member(data, "currency");
    if (!weir_is_string(order_id) || amount.len == 0 || !weir_is_string(currency)) {
        weir_fail(WEIR_PERMANENT, "invalid-data", "data: order_id, amount or currency is missing");
        return;
    }
    double number;
    if (!weir_number(amount, &number)) {
        weir_fail(WEIR_PERMANENT, "invalid-amount", "data.amount is no number");
        return;
    }

    int flagged = number > LIMIT;
    weir_put("{'specversion':'1.0','type':'%','id':'%/payment','datacontenttype':'application/json',"
             "'data':{'order_id':%,'amount':%,'currency':%,'decision':'%'}}",
             weir_of(flagged ? "order.flagged" : "payment.processed"), weir_inside(weir_member(event, "id")),
             order_id, amount, currency, weir_of(flagged ? "flagged" : "processed"));
}
