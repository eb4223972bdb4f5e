import { describe, expect, it } from "vitest";

import { alarmsOf, nextToTell, NO_ALARMS, type Alarm } from "./alarms";
import { figures, lane, sale } from "../testing/figures";

describe("alarmsOf", () => {
  it("is empty when all is well", () => {
    expect(alarmsOf(figures(sale()))).toEqual([]);
  });

  it("an empty lane needs no driver, one with jobs does", () => {
    const idle = lane({ productId: "mug", driver: null });
    const stuck = lane({ productId: "lamp", driver: null, depth: 812 });
    expect(alarmsOf(figures(sale({ lanes: [idle, stuck] })))).toEqual([
      {
        key: "driver market lamp",
        sale: "market",
        text: "Nobody drives the lane of lamp, 812 jobs waiting.",
      },
    ]);
  });

  it("leaves a lane the time to be found by a worker", () => {
    const waiting = lane({ driver: null, depth: 812, oldestAgeMs: 2_999 });
    expect(alarmsOf(figures(sale({ lanes: [waiting] })))).toEqual([]);
    const stuck = { ...waiting, oldestAgeMs: 3_000 };
    expect(alarmsOf(figures(sale({ lanes: [stuck] })))).toHaveLength(1);
  });

  it("misses processes", () => {
    const quiet = { ...figures(sale()), gateways: [], workers: [] };
    expect(alarmsOf(quiet).map(({ key }) => key)).toEqual(["gateways"]);
    const busy = { ...figures(sale({ lanes: [lane({ depth: 1 })] })), workers: [] };
    expect(alarmsOf(busy).map(({ key }) => key)).toEqual(["workers"]);
  });
});

describe("nextToTell", () => {
  const alarm = (key: string): Alarm => ({ key, sale: null, text: key });
  const told = (...samples: string[][]) => {
    let log = NO_ALARMS;
    return samples.map((keys) => {
      const next = nextToTell(log, keys.map(alarm));
      log = next.log;
      return next.tell.map(({ key }) => key);
    });
  };

  it("tells an alarm once, when it has lasted", () => {
    expect(told(["a"], ["a"], ["a"])).toEqual([[], ["a"], []]);
  });

  it("does not tell of a lane that changes hands", () => {
    expect(told(["a"], [], ["a"], [])).toEqual([[], [], [], []]);
  });

  it("tells it again when it comes back", () => {
    expect(told(["a"], ["a"], [], ["a"], ["a"])).toEqual([[], ["a"], [], [], ["a"]]);
  });
});
