import { beforeEach, describe, expect, test, vi } from "vitest";

import { keepIn } from "../lib/storage";
import type { Answer, SessionView } from "../server/gateway";
import { NETWORK } from "../server/problem";
import { createIdentity, deviceShopper, signInAddress } from "./session";
import { claimsOf, takeToken, tokenOf } from "./token";
import { unique } from "../lib/unique";

const device = keepIn(() => localStorage);
const tab = keepIn(() => sessionStorage);
const off: SessionView = { auth: "off", userId: null, signInUrl: null, operations: true };
const jwt: SessionView = {
  auth: "jwt",
  userId: "anna",
  signInUrl: "https://id.example.com/?shop=1",
  operations: false,
};

const place = (href: string) => ({
  location: { href, hash: new URL(href).hash, assign: vi.fn() },
  history: { state: { page: 1 }, replaceState: vi.fn() },
});

const asking = (...answers: Answer<SessionView>[]) => {
  const session = vi.fn<() => Promise<Answer<SessionView>>>();
  for (const answer of answers) session.mockResolvedValueOnce(answer);
  const here = place("https://shop.example.com/shop/drop");
  const identity = createIdentity({ gateway: { session }, device, tab, place: here });
  return { identity, here, session };
};

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
});

describe("the token in the address", () => {
  test("is taken out of it and kept for the tab", () => {
    const here = place("https://shop.example.com/shop/drop?a=1#token=abc.def&tab=2");
    takeToken(here, tab);
    expect(here.history.replaceState).toHaveBeenCalledExactlyOnceWith(
      { page: 1 },
      "",
      "https://shop.example.com/shop/drop?a=1#tab=2",
    );
    expect(tokenOf(tab)).toBe("abc.def");
    expect(Object.values(localStorage)).not.toContain("abc.def");
  });

  test("an address without one is left alone", () => {
    const here = place("https://shop.example.com/#section");
    takeToken(here, tab);
    expect(here.history.replaceState).not.toHaveBeenCalled();
    expect(tokenOf(tab)).toBeNull();
  });
});

test("claims are read from a token, whatever it holds", () => {
  const encode = (claims: object) => {
    const text = btoa(JSON.stringify(claims)).replace(/=/g, "");
    return `x.${text.replace(/\+/g, "-").replace(/\//g, "_")}.y`;
  };
  const subject = "auth0|5f7c8ec7c33c6c?>~~";
  expect(claimsOf(encode({ sub: subject, exp: 5 }))).toEqual({ subject, expiresAt: 5000 });
  expect(claimsOf(encode({ sub: 5, exp: "x" }))).toEqual({ subject: null, expiresAt: null });
  for (const text of ["", "a.b.c", "..", "x.e30.y", "x.bnVsbA.y"]) {
    expect(claimsOf(text)).toEqual({ subject: null, expiresAt: null });
  }
});

test("keys are unique, with and without crypto.randomUUID", () => {
  expect(unique()).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  const getRandomValues = crypto.getRandomValues.bind(crypto);
  vi.stubGlobal("crypto", { getRandomValues });
  const made = new Set(Array.from({ length: 50 }, unique));
  vi.unstubAllGlobals();
  expect(made.size).toBe(50);
  for (const id of made) expect(id).toMatch(/^[0-9a-f]{32}$/);
});

describe("with authentication off", () => {
  test("the shopper is made up once and kept on the device", async () => {
    const { identity } = asking({ ok: true, value: off });
    await identity.refresh();
    const { userId, needsSignIn } = identity.session.get();
    expect(userId).toMatch(/^shopper-[0-9a-f-]{36}$/);
    expect(needsSignIn).toBe(false);
    expect(deviceShopper(device)).toBe(userId);
    expect(identity.credentials()).toEqual({ userId });
  });

  test("signing out changes nothing", async () => {
    const { identity } = asking({ ok: true, value: off });
    await identity.refresh();
    const before = identity.session.get();
    identity.signOut();
    expect(identity.session.get()).toBe(before);
  });
});

describe("with authentication on", () => {
  test("the shopper is who the gateway says", async () => {
    tab.set("flashsale:token", "t");
    const { identity } = asking({ ok: true, value: jwt });
    await identity.refresh();
    expect(identity.session.get()).toMatchObject({
      state: "ready",
      userId: "anna",
      needsSignIn: false,
    });
    expect(identity.credentials()).toEqual({ token: "t" });
  });

  test.each([
    ["unauthorized", 401],
    ["subject-unsupported", 403],
    ["insufficient-scope", 403],
  ])("a token that is %s is dropped, and the way to sign in is known", async (kind, status) => {
    tab.set("flashsale:token", "old");
    const refused = { kind, status, opensAt: null, retryAfter: 0 };
    const { identity, here } = asking(
      { ok: false, problem: refused },
      { ok: true, value: { ...jwt, userId: null } },
    );
    await identity.refresh();
    expect(tokenOf(tab)).toBeNull();
    expect(identity.session.get()).toMatchObject({ userId: null, needsSignIn: true });
    expect(identity.credentials()).toBeNull();
    identity.signIn();
    expect(here.location.assign).toHaveBeenCalledExactlyOnceWith(
      "https://id.example.com/?shop=1&return_to=https%3A%2F%2Fshop.example.com%2Fshop%2Fdrop",
    );
  });

  test("a token that cannot be checked at the moment is kept", async () => {
    tab.set("flashsale:token", "t");
    const busy = { kind: "unavailable", status: 503, opensAt: null, retryAfter: 4000 };
    const { identity } = asking({ ok: false, problem: busy }, { ok: true, value: jwt });
    expect(await identity.refresh()).toBe(false);
    expect(tokenOf(tab)).toBe("t");
    await identity.refresh();
    expect(identity.session.get().userId).toBe("anna");
  });

  test("the refusal of an older token does not end a newer session", async () => {
    tab.set("flashsale:token", "new");
    const { identity } = asking({ ok: true, value: jwt });
    await identity.refresh();
    identity.refused("old");
    expect(identity.session.get().needsSignIn).toBe(false);
    identity.refused("new");
    expect(identity.session.get().needsSignIn).toBe(true);
    expect(tokenOf(tab)).toBeNull();
  });

  test("signing out forgets the token", async () => {
    tab.set("flashsale:token", "t");
    const { identity } = asking({ ok: true, value: jwt });
    await identity.refresh();
    identity.signOut();
    expect(tokenOf(tab)).toBeNull();
    expect(identity.session.get()).toMatchObject({ userId: null, needsSignIn: true });
  });
});

test("an unreachable gateway is told, and forgotten when it answers", async () => {
  const { identity } = asking({ ok: false, problem: NETWORK }, { ok: true, value: off });
  expect(await identity.refresh()).toBe(false);
  expect(identity.session.get().state).toBe("unreachable");
  expect(await identity.refresh()).toBe(true);
  expect(identity.session.get().state).toBe("ready");
});

test("a sign-in page may be an address of the shop itself", () => {
  expect(signInAddress("/login", "https://shop.example.com/a?b=1")).toBe(
    "https://shop.example.com/login?return_to=https%3A%2F%2Fshop.example.com%2Fa%3Fb%3D1",
  );
});
