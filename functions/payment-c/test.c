/* The function as the machine's own C compiler builds it: functions/build runs this. */
#include "payment.c"

#include <stdio.h>
#include <string.h>

static int failed;

static void expect(const char *type, const char *data, const char *wanted) {
    char event[1024];
    snprintf(event, sizeof event, "{\"specversion\":\"1.0\",\"id\":\"o-1\",\"source\":\"/shop\",\"type\":\"%s\",\"data\":%s}",
             type, data);
    weir_text answer = weir_answer(weir_of(event));
    if (!weir_same(answer, weir_of(wanted))) {
        printf("%s %s\n  expected %s\n  actual   %.*s\n", type, data, wanted, (int)answer.len, answer.at);
        failed = 1;
    }
}

int main(void) {
    expect("order.created", "{\"order_id\":\"A7\", \"items\":[{\"amount\":1}], \"amount\":10000.01, \"currency\":\"EUR\"}",
           "{\"specversion\":\"1.0\",\"type\":\"order.flagged\",\"id\":\"o-1/payment\",\"datacontenttype\":\"application/json\","
           "\"data\":{\"order_id\":\"A7\",\"amount\":10000.01,\"currency\":\"EUR\",\"decision\":\"flagged\"}}");
    expect("order.created", "{\"order_id\":\"A\\\"7\",\"amount\":1.0e4,\"currency\":\"EUR\"}",
           "{\"specversion\":\"1.0\",\"type\":\"payment.processed\",\"id\":\"o-1/payment\",\"datacontenttype\":\"application/json\","
           "\"data\":{\"order_id\":\"A\\\"7\",\"amount\":1.0e4,\"currency\":\"EUR\",\"decision\":\"processed\"}}");
    expect("order.created", "{\"order_id\":\"A7\",\"amount\":\"much\",\"currency\":\"EUR\"}",
           "{\"error\":{\"retry\":false,\"code\":\"invalid-amount\",\"message\":\"data.amount is no number\"}}");
    expect("order.created", "{\"amount\":1}",
           "{\"error\":{\"retry\":false,\"code\":\"invalid-data\",\"message\":\"data: order_id, amount or currency is missing\"}}");
    expect("order.cancelled", "{}", "");
    return failed;
}
