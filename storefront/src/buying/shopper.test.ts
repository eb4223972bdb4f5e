import { beforeEach, describe, expect, test } from "vitest";

import { gateway, openTab, pass, press, state, setUpJourney } from "../testing/journey";

setUpJourney();

describe("whose buys", () => {
  const token = (name: string, exp = Date.now() / 1000 + 3600) =>
    `h.${btoa(JSON.stringify({ sub: name, exp }))}.s`;

  const signInAs = (name: string) => {
    const made = token(name);
    gateway.tokens.set(made, name);
    return `#token=${made}`;
  };

  beforeEach(() => {
    gateway.isAuthOn = true;
  });

  test("another shopper on this device does not see them", async () => {
    const anna = await openTab(signInAs("anna"));
    await press(anna);
    gateway.settle(gateway.onlyJob().jobId, "confirmed", 1);
    expect(state(anna)?.is).toBe("confirmed");
    expect(gateway.buys()[0]?.authorization).toMatch(/^Bearer h\./);
    anna.close();
    sessionStorage.clear();
    const ben = await openTab(signInAs("ben"));
    expect(ben.buying.buys.get()).toEqual([]);
    ben.close();
    sessionStorage.clear();
    const annaAgain = await openTab(signInAs("anna"));
    expect(annaAgain.buying.buys.get()).toHaveLength(1);
  });

  test("a press before the sign-in is kept and sent after it", async () => {
    const stranger = await openTab();
    expect(stranger.identity.session.get().needsSignIn).toBe(true);
    expect(gateway.sockets).toHaveLength(0);
    expect(stranger.connection.get()).toBe("polling");
    await press(stranger);
    expect(state(stranger)).toMatchObject({ is: "sending", because: "unauthorized" });
    expect(gateway.buys()).toHaveLength(0);
    stranger.close();
    await pass(60_000);
    const anna = await openTab(signInAs("anna"));
    await pass(100);
    expect(state(anna)?.is).toBe("queued");
    expect(gateway.onlyJob().userId).toBe("anna");
  });

  test("a press before the sign-in is not another one's hours later", async () => {
    const stranger = await openTab();
    await press(stranger);
    stranger.close();
    await pass(3_600_000);
    const ben = await openTab(signInAs("ben"));
    await pass(1000);
    expect(ben.buying.buys.get()).toEqual([]);
    expect(gateway.buys()).toHaveLength(0);
  });

  test("a token that is refused on the way: kept, and sent after signing in again", async () => {
    const anna = await openTab(signInAs("anna"));
    gateway.tokens.clear();
    await press(anna);
    expect(anna.identity.session.get()).toMatchObject({ needsSignIn: true, userId: null });
    anna.close();
    const again = await openTab(signInAs("anna"));
    await pass(100);
    expect(state(again)?.is).toBe("queued");
  });

  test("a token that ends while the page is open is noticed", async () => {
    const made = token("anna", Date.now() / 1000 + 60);
    gateway.tokens.set(made, "anna");
    const anna = await openTab(`#token=${made}`);
    expect(anna.identity.session.get()).toMatchObject({ needsSignIn: false, userId: "anna" });
    await pass(60_000);
    expect(anna.identity.session.get()).toMatchObject({ needsSignIn: true, userId: null });
  });

  test("a socket that ends with its token leads to the sign-in", async () => {
    const anna = await openTab(signInAs("anna"));
    expect(anna.connection.get()).toBe("live");
    gateway.tokens.clear();
    gateway.endSockets();
    await pass(1000);
    expect(anna.identity.session.get()).toMatchObject({ needsSignIn: true, userId: null });
    await pass(60_000);
    expect(gateway.sockets.map(({ isConnected }) => isConnected)).toEqual([false]);
  });

  test("a socket that ends while the token is good connects again with it", async () => {
    const anna = await openTab(signInAs("anna"));
    gateway.endSockets();
    await pass(5000);
    expect(anna.identity.session.get()).toMatchObject({ needsSignIn: false, userId: "anna" });
    expect(anna.connection.get()).toBe("live");
    expect(gateway.sockets.filter(({ isConnected }) => isConnected)).toHaveLength(1);
  });

  test("signing out closes the socket, for good", async () => {
    const anna = await openTab(signInAs("anna"));
    expect(gateway.sockets.map(({ isConnected }) => isConnected)).toEqual([true]);
    anna.identity.signOut();
    expect(gateway.sockets.map(({ isConnected }) => isConnected)).toEqual([false]);
    await pass(120_000);
    expect(gateway.sockets.map(({ isConnected }) => isConnected)).toEqual([false]);
  });
});
