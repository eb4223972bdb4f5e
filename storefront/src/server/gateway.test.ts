import { expect, test, vi } from "vitest";

import { createGateway } from "./gateway";
import { isRetryable, problemOf } from "./problem";

function gatewayThat(respond: (path: string, init: RequestInit) => Response) {
  const onUnauthorized = vi.fn();
  const onServerTime = vi.fn();
  const fake = vi.fn((path: string, init: RequestInit) => Promise.resolve(respond(path, init)));
  const gateway = createGateway({
    fetch: fake as unknown as typeof fetch,
    token: () => "secret",
    onUnauthorized,
    onServerTime,
  });
  return { gateway, fake, onUnauthorized, onServerTime };
}

const problem = (kind: string, status: number, headers: Record<string, string> = {}) =>
  new Response(
    JSON.stringify({
      type: `https://flashsale.dev/problems/${kind}`,
      opensAt: "2030-01-01T00:00:00Z",
    }),
    {
      status,
      headers: { "Content-Type": "application/problem+json", ...headers },
    },
  );

const wanted = { key: "key-1", productId: "shoe", userId: "u", price: 4900 };

test("a buy carries key, token, product, price and a time limit", async () => {
  const { gateway, fake } = gatewayThat(() =>
    Response.json({ jobId: "j", status: "queued", position: 3 }),
  );
  const answer = await gateway.buy(wanted, "a.pass");
  expect(answer).toEqual({ ok: true, value: { jobId: "j", status: "queued", position: 3 } });
  const [path, init] = fake.mock.calls[0] ?? [];
  const headers = new Headers(init?.headers);
  expect(path).toBe("/buy");
  expect(headers.get("Idempotency-Key")).toBe("key-1");
  expect(headers.get("Authorization")).toBe("Bearer secret");
  expect(headers.get("Flashsale-Pass")).toBe("a.pass");
  expect(init?.body).toBe('{"productId":"shoe","userId":"u","maxPrice":4900}');
  expect(init?.signal).toBeDefined();
});

test("problems are told by their type, with what they ask for", async () => {
  const { gateway } = gatewayThat(() => problem("quota-exceeded", 429, { "Retry-After": "7" }));
  expect(await gateway.buy(wanted, null)).toEqual({
    ok: false,
    problem: {
      kind: "quota-exceeded",
      status: 429,
      opensAt: "2030-01-01T00:00:00Z",
      retryAfter: 7000,
    },
  });
});

test("Retry-After may be a date", async () => {
  const date = "Fri, 01 Jan 2027 00:00:00 GMT";
  const headers = { "Retry-After": "Fri, 01 Jan 2027 00:00:09 GMT", Date: date };
  expect((await problemOf(problem("unavailable", 503, headers))).retryAfter).toBe(9000);
  const past = { "Retry-After": "Fri, 01 Jan 2016 00:00:00 GMT" };
  expect((await problemOf(problem("unavailable", 503, past))).retryAfter).toBe(0);
  expect((await problemOf(problem("unavailable", 503, { "Retry-After": "soon" }))).retryAfter).toBe(
    0,
  );
});

test.each([
  [502, "network", {}],
  [429, "network", {}],
  [403, "network", {}],
  [503, "unavailable", { "Retry-After": "5" }],
  [429, "quota-exceeded", { "Retry-After": "5" }],
])("a proxy's page with status %d is %s", async (status, kind, headers) => {
  const { gateway } = gatewayThat(() => new Response("<html>", { status, headers }));
  const answer = await gateway.sales();
  expect(answer).toMatchObject({ ok: false, problem: { kind } });
  if (!answer.ok) expect(isRetryable(answer.problem)).toBe(true);
});

test("a stranger's 200 is nobody", async () => {
  for (const body of ["<html>sign in to the hotel</html>", "{}", "null", "7"]) {
    const { gateway } = gatewayThat(() => new Response(body));
    expect(await gateway.buy(wanted, null)).toMatchObject({
      ok: false,
      problem: { kind: "network" },
    });
  }
});

test("no connection is a problem, not an exception", async () => {
  const { gateway } = gatewayThat(() => {
    throw new TypeError("fetch failed");
  });
  expect(await gateway.order("j")).toMatchObject({
    ok: false,
    problem: { kind: "network", status: 0 },
  });
});

test("a refused token is told, with which one it was", async () => {
  const { gateway, onUnauthorized } = gatewayThat(() => problem("unauthorized", 401));
  await gateway.order("j");
  expect(onUnauthorized).toHaveBeenCalledExactlyOnceWith("secret");
});

test("the server's clock is told with the times of the request", async () => {
  const { gateway, onServerTime } = gatewayThat(() =>
    Response.json({ sales: [], serverTime: "2030-01-01T00:00:00Z" }),
  );
  await gateway.sales();
  const [time, sentAt, receivedAt] = (onServerTime.mock.calls[0] ?? []) as number[];
  expect(time).toBe(Date.UTC(2030, 0, 1));
  expect(receivedAt).toBeGreaterThanOrEqual(sentAt ?? Infinity);
});

test("only what may pass later is sent again", () => {
  const of = (status: number) => isRetryable({ kind: "x", status, opensAt: null, retryAfter: 0 });
  expect([0, 408, 429, 500, 503].every(of)).toBe(true);
  expect([400, 401, 403, 404, 409, 413, 415, 422, 431].some(of)).toBe(false);
});
