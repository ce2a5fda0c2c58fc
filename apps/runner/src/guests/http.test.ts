import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { networkReason, request, useProxiesFromEnvironment } from "./http.js";

const signal = (): AbortSignal => AbortSignal.timeout(20_000);

describe("useProxiesFromEnvironment", () => {
  it("sends requests through http_proxy, until it is undone", async () => {
    const asked: (string | undefined)[] = [];
    const proxy = createServer((incoming, response) => {
      asked.push(incoming.url);
      response.end("by proxy");
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const undo = useProxiesFromEnvironment({
      http_proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    });
    const response = await request(
      (url, init) => fetch(url, init),
      "http://mirror.invalid/debian/x",
      {},
      signal(),
    );
    expect(await response.text()).toBe("by proxy");
    expect(asked).toEqual(["http://mirror.invalid/debian/x"]);
    undo();
    const direct = request((url, init) => fetch(url, init), "http://mirror.invalid/debian/x", {}, signal());
    await direct.catch(() => {}); // whatever name servers say of it
    expect(asked).toHaveLength(1);
    proxy.closeAllConnections();
    proxy.close();
  });
});

describe("networkReason", () => {
  it("finds the innermost system error", () => {
    const refused = Object.assign(new Error("connect"), { code: "ECONNREFUSED" });
    expect(networkReason(new TypeError("fetch failed", { cause: refused }))).toBe("ECONNREFUSED");
    expect(networkReason(new TypeError("x", { cause: new AggregateError([refused]) }))).toBe("ECONNREFUSED");
    expect(networkReason(new Error("outer", { cause: new Error("inner") }))).toBe("inner");
    expect(networkReason("text")).toBe("text");
  });
});
