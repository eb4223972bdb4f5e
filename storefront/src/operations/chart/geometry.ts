/** Size of a drawing, in its own units. */
export interface Box {
  readonly width: number;
  readonly height: number;
}

/** One value a slot, oldest first, the newest at the right edge; null leaves a gap. */
export type Values = readonly (number | null)[];

/** An axis is never lower than this, so that one order a second does not look like a storm. */
const LOWEST_TOP = 10;

/** The end of the axis: the first of 1, 2, 5, 10, 20, 50 … that no value exceeds. */
export function axisTop(...series: readonly Values[]): number {
  const largest = Math.max(LOWEST_TOP, ...series.flat().map((value) => value ?? 0));
  const decade = 10 ** Math.floor(Math.log10(largest));
  const step = [1, 2, 5].find((factor) => largest <= factor * decade) ?? 10;
  return step * decade;
}

/** The line through the values, as the `d` of a path; broken where a value is unknown. */
export function linePath(values: Values, slots: number, top: number, box: Box): string {
  return stretches(values)
    .map(({ from, to }) => {
      const points = pointsOf(values, from, to, slots, top, box);
      // A lone second between two unknown ones is a dot, drawn by the round cap of the stroke.
      return `M${points.join("L")}${points.length === 1 ? "h0" : ""}`;
    })
    .join("");
}

/** The area under the same line. */
export function areaPath(values: Values, slots: number, top: number, box: Box): string {
  return stretches(values)
    .map(({ from, to }) => {
      const points = pointsOf(values, from, to, slots, top, box);
      const left = round(xAt(from, values.length, slots, box));
      const right = round(xAt(to, values.length, slots, box));
      return `M${left} ${box.height}L${points.join("L")}L${right} ${box.height}Z`;
    })
    .join("");
}

function pointsOf(
  values: Values,
  from: number,
  to: number,
  slots: number,
  top: number,
  box: Box,
): string[] {
  return values.slice(from, to + 1).map((value, offset) => {
    const x = round(xAt(from + offset, values.length, slots, box));
    return `${x} ${round(box.height * (1 - (value ?? 0) / top))}`;
  });
}

function xAt(index: number, length: number, slots: number, box: Box): number {
  return box.width - ((length - 1 - index) * box.width) / (slots - 1);
}

/** Runs of known values, as first and last index. */
function stretches(values: Values): { from: number; to: number }[] {
  const found: { from: number; to: number }[] = [];
  values.forEach((value, index) => {
    const last = found.at(-1);
    if (value === null) {
      return;
    }
    if (last && last.to === index - 1) {
      last.to = index;
    } else {
      found.push({ from: index, to: index });
    }
  });
  return found;
}

/** A tenth of a unit is finer than a pixel, and keeps paths short. */
function round(value: number): number {
  return Math.round(value * 10) / 10;
}
