import { expect, test, vi } from "vitest";

import { createSocket } from "./connection";
import type { Events } from "./connection";
import { FakeGateway } from "../testing/fake-gateway";

const turn = () => new Promise((resolve) => setTimeout(resolve));

function aSocket(gateway: FakeGateway) {
  let who: object | null = { userId: "anna" };
  const events = {
    "stock-update": vi.fn(),
    "sale-status": vi.fn(),
    "lane-progress": vi.fn(),
    order_confirmed: vi.fn(),
    order_paid: vi.fn(),
    order_cancelled: vi.fn(),
    order_rejected: vi.fn(),
  } satisfies Events;
  const onConnect = vi.fn();
  const onDown = vi.fn();
  const open = vi.fn(gateway.openSocket);
  const live = createSocket({ open, credentials: () => who, events, onConnect, onDown });
  const become = (next: object | null) => {
    who = next;
    live.renew();
  };
  return { live, open, events, onConnect, onDown, become };
}

test("connects as who we are and hears every event", async () => {
  const gateway = new FakeGateway();
  const { live, events, onConnect } = aSocket(gateway);
  live.renew();
  await turn();
  expect(live.isLive.get()).toBe(true);
  expect(onConnect).toHaveBeenCalledOnce();
  expect(gateway.sockets[0]?.credentials()).toEqual({ userId: "anna" });
  for (const [name, listener] of Object.entries(events)) {
    gateway.tell(name, { sale: name });
    expect(listener).toHaveBeenCalledExactlyOnceWith({ sale: name });
  }
});

test("nobody in particular does not connect where that would be refused", async () => {
  const gateway = new FakeGateway();
  const { live, open, become } = aSocket(gateway);
  become(null);
  live.hurry();
  await turn();
  expect(open).not.toHaveBeenCalled();
});

test("another shopper means another connection, the same one does not", async () => {
  const gateway = new FakeGateway();
  const { live, onConnect, become } = aSocket(gateway);
  live.renew();
  await turn();
  live.renew();
  expect(onConnect).toHaveBeenCalledTimes(1);
  become({ token: "t" });
  expect(onConnect).toHaveBeenCalledTimes(2);
  expect(gateway.sockets).toHaveLength(1);
  expect(gateway.sockets[0]?.credentials()).toEqual({ token: "t" });
  become(null);
  expect(live.isLive.get()).toBe(false);
  expect(gateway.sockets[0]?.isConnected).toBe(false);
});

test("a refused socket connects again only when hurried", async () => {
  const gateway = new FakeGateway();
  const { live, onDown } = aSocket(gateway);
  live.renew();
  await turn();
  const [socket] = gateway.sockets;
  if (!socket) throw new Error("no socket");
  socket.isConnected = false;
  socket.active = false;
  socket.emit("disconnect");
  expect(onDown).toHaveBeenCalledExactlyOnceWith(true);
  live.hurry();
  expect(live.isLive.get()).toBe(true);
});

test("code that could not be fetched is fetched again", async () => {
  const gateway = new FakeGateway();
  const { live, open, onDown } = aSocket(gateway);
  open.mockRejectedValueOnce(new TypeError("failed to fetch"));
  live.renew();
  await turn();
  expect(onDown).toHaveBeenCalledExactlyOnceWith(false);
  live.hurry();
  await turn();
  expect(live.isLive.get()).toBe(true);
});

test("closed while it opens, it stays closed", async () => {
  const gateway = new FakeGateway();
  const { live } = aSocket(gateway);
  live.renew();
  live.close();
  await turn();
  expect(live.isLive.get()).toBe(false);
});
