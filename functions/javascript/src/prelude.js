// What stands between the host and the script: an event's text in, an answer's text out.
(log, config) => {
  const shown = (value) => {
    if (typeof value === "string") return value;
    if (value instanceof Error) return `${value}\n${value.stack ?? ""}`.trimEnd();
    try {
      return JSON.stringify(value) ?? String(value);
    } catch {
      return String(value);
    }
  };
  const at = (level) => (...values) => log(level, values.map(shown).join(" "));
  globalThis.console = { error: at(0), warn: at(1), info: at(2), log: at(2), debug: at(3), trace: at(4) };
  globalThis.weir = Object.freeze({ config });

  const reply = (one) => {
    if (one === null || typeof one !== "object" || typeof one.type !== "string") {
      throw Object.assign(new Error(`the answer has no type: ${shown(one)}`), { code: "bad-reply", retry: false });
    }
    const described = one.data === undefined ? {} : { datacontenttype: "application/json" };
    return { specversion: "1.0", ...described, ...one };
  };

  // The answer to what the handler returned. Nothing is no reply.
  const answer = (returned) => {
    if (returned === undefined || returned === null) return "";
    return JSON.stringify(Array.isArray(returned) ? returned.map(reply) : reply(returned));
  };

  // An error may say of itself whether trying again helps (`retry`), and what programs call it (`code`).
  const failure = (error) => {
    const known = error !== null && typeof error === "object";
    const place = known && typeof error.stack === "string" ? error.stack.trim().split("\n")[0] : "";
    const coded = known && error.code !== undefined;
    return JSON.stringify({
      error: {
        retry: !(known && error.retry === false),
        code: String(coded ? error.code : (known && error.name) || "thrown"),
        message: coded || place === "" ? String(known ? error.message : error) : `${error.message} (${place.replace(/^at /, "")})`,
      },
    });
  };

  return (handle) => async (text) => {
    try {
      return answer(await handle(JSON.parse(text)));
    } catch (error) {
      return failure(error);
    }
  };
}
