import { act, cleanup, render, screen } from "@testing-library/react";
import { Profiler, StrictMode } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import {
  useBuy,
  useBuys,
  useCountdown,
  useServerNow,
  useSession,
  useConnection,
  useSale,
  useSales,
  ShopProvider,
} from "./hooks";
import { FakeGateway, aSale } from "../testing/fake-gateway";
import type { Product, Sale } from "../live/sale";
import { createShop } from "./shop";

const NOW = Date.UTC(2030, 0, 1);
let gateway: FakeGateway;

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
  vi.useFakeTimers();
  vi.setSystemTime(NOW);
  gateway = new FakeGateway();
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

function Panel({ sale, product }: { sale: Sale; product: Product }) {
  const { buy, press } = useBuy(sale, product);
  return (
    <button onClick={press}>
      {product.name}: {buy?.state.is ?? "not pressed"}
    </button>
  );
}

function Page() {
  const { sale } = useSale("drop");
  const { sales } = useSales();
  const { hours, minutes, seconds, isOver } = useCountdown(sale?.opensAt ?? Infinity);
  const { state, userId } = useSession();
  const connection = useConnection();
  const buys = useBuys();
  return (
    <>
      <p>{`${sale?.status ?? "no sale"} of ${sales.length}, ${connection}, ${state}, ${buys.length} buys`}</p>
      <p>{isOver ? "open" : `${hours}:${minutes}:${seconds}`}</p>
      <p>{userId === null ? "nobody" : "somebody"}</p>
      {sale?.products.map((product) => (
        <Panel key={product.productId} sale={sale} product={product} />
      ))}
    </>
  );
}

function open(page = <Page />) {
  const shop = createShop({
    fetch: gateway.fetch,
    openSocket: gateway.openSocket,
    locks: undefined,
    random: () => 0.5,
  });
  render(
    <StrictMode>
      <ShopProvider shop={shop}>{page}</ShopProvider>
    </StrictMode>,
  );
  return shop;
}

test("a page shows sale, session, connection and buys, and buys", async () => {
  open();
  screen.getByText("no sale of 0, connecting, loading, 0 buys");
  await pass(1000);
  screen.getByText("Open of 1, live, ready, 0 buys");
  screen.getByText("somebody");
  act(() => {
    screen.getByRole("button", { name: "Shoe: not pressed" }).click();
  });
  await pass(200);
  screen.getByRole("button", { name: "Shoe: queued" });
  screen.getByRole("button", { name: "Sock: not pressed" });
  act(() => {
    gateway.settle(gateway.onlyJob().jobId, "confirmed", 4711);
  });
  screen.getByRole("button", { name: "Shoe: confirmed" });
  screen.getByText("Open of 1, live, ready, 1 buys");
});

test.each([0, 3_600_000, -3_600_000])(
  "the sale opens at the server's second with the server %d ms ahead, without a word from it",
  async (skew) => {
    gateway.skew = skew;
    const opensAt = NOW + skew + 10_000;
    gateway.sales = [aSale({ status: "Scheduled", opensAt: new Date(opensAt).toISOString() })];
    open();
    // Answers come back in 5 ms here, and the page stays that much behind.
    await pass(5007);
    screen.getByText("0:0:5");
    await pass(4990);
    screen.getByText(/^Scheduled of 1/);
    screen.getByText("0:0:1");
    await pass(20);
    screen.getByText(/^Open of 1/);
    screen.getByText("open");
  },
);

test("a second on the server's clock is one render", async () => {
  const renders = vi.fn();
  function Clock() {
    return <p>{useServerNow()}</p>;
  }
  open(
    <Profiler id="clock" onRender={renders}>
      <Clock />
    </Profiler>,
  );
  await pass(5000);
  renders.mockClear();
  await pass(10_000);
  expect(renders.mock.calls.length).toBeLessThanOrEqual(10);
  expect(renders.mock.calls.length).toBeGreaterThanOrEqual(9);
});

test("a crowd's stock updates draw ten times a second at most", async () => {
  const renders = vi.fn();
  open(
    <Profiler id="page" onRender={renders}>
      <Page />
    </Profiler>,
  );
  await pass(1000);
  renders.mockClear();
  for (let i = 0; i < 2000; i += 1) {
    gateway.tell("stock-update", { productId: "shoe", stock: 2000 - i });
    if (i % 2 === 0) await vi.advanceTimersByTimeAsync(1);
  }
  await pass(200);
  expect(renders.mock.calls.length).toBeLessThanOrEqual(15);
  expect(renders.mock.calls.length).toBeGreaterThan(5);
});
