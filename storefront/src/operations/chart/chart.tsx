import { formatCount } from "../../ui/format";
import { areaPath, axisTop, linePath, type Values } from "./geometry";

/** How a series is drawn: filled, a line alone, or filled without colour. */
export type Look = "filled" | "line" | "quiet";

/** One line of a chart. */
export interface Series {
  readonly name: string;
  readonly look: Look;
  readonly values: Values;
}

const LOOKS: Record<Look, { area: string; line: string; swatch: string }> = {
  filled: { area: "fill-good/20", line: "stroke-good", swatch: "bg-good" },
  line: { area: "fill-none", line: "stroke-ink", swatch: "bg-ink" },
  quiet: { area: "fill-muted/20", line: "stroke-muted", swatch: "bg-muted" },
};

/** Its own units: the picture is stretched to the room there is. */
const BOX = { width: 600, height: 100 };

interface ChartProps {
  title: string;
  /** Seconds from edge to edge. */
  slots: number;
  series: readonly Series[];
}

/** A live chart of the last seconds: one value a second, the newest at the right edge. */
export function Chart({ title, slots, series }: ChartProps) {
  const top = axisTop(...series.map(({ values }) => values));
  return (
    <figure className="min-w-0">
      <figcaption className="flex flex-wrap items-baseline gap-x-4">
        <span className="font-semibold">{title}</span>
        <span aria-hidden="true" className="ml-auto flex gap-4">
          {series.map((one) => (
            <Last key={one.name} series={one} />
          ))}
        </span>
      </figcaption>
      <div className="mt-3 grid grid-cols-[3.25rem_minmax(0,1fr)] gap-x-2">
        <Marks top={top} />
        <svg
          role="img"
          aria-label={`${title}, last ${slots / 60} minutes: ${series.map(inWords).join("; ")}`}
          viewBox={`0 0 ${BOX.width} ${BOX.height}`}
          preserveAspectRatio="none"
          className="h-32 w-full overflow-visible"
        >
          <path
            d={`M0 0H${BOX.width}M0 ${BOX.height / 2}H${BOX.width}M0 ${BOX.height}H${BOX.width}`}
            className="stroke-line"
            vectorEffect="non-scaling-stroke"
          />
          {series.map(({ name, look, values }) => (
            <g key={name}>
              <path d={areaPath(values, slots, top, BOX)} className={LOOKS[look].area} />
              <path
                d={linePath(values, slots, top, BOX)}
                className={`fill-none stroke-2 ${LOOKS[look].line}`}
                strokeLinecap="round"
                strokeLinejoin="round"
                vectorEffect="non-scaling-stroke"
              />
            </g>
          ))}
        </svg>
        <div
          aria-hidden="true"
          className="col-start-2 mt-1 flex justify-between text-xs text-muted tabular-nums"
        >
          <span>{slots / 60} min ago</span>
          <span>{slots / 120} min</span>
          <span>now</span>
        </div>
      </div>
    </figure>
  );
}

/** The axis in figures. */
function Marks({ top }: { top: number }) {
  return (
    <div
      aria-hidden="true"
      className="-my-2 flex flex-col justify-between text-right text-xs leading-4 text-muted tabular-nums"
    >
      {[top, top / 2, 0].map((value) => (
        <span key={value}>{formatCount(value)}</span>
      ))}
    </div>
  );
}

/** What a series is drawn like, and its last value. */
function Last({ series: { name, look, values } }: { series: Series }) {
  const last = values.at(-1) ?? null;
  return (
    <span className="inline-flex items-baseline gap-1.5">
      <span className={`h-1 w-4 self-center rounded-full ${LOOKS[look].swatch}`} />
      <span className="text-muted">{name}</span>
      <span className="min-w-[5ch] text-right text-lg leading-6 font-semibold tabular-nums">
        {last === null ? "–" : formatCount(last)}
      </span>
    </span>
  );
}

/** A series for those who do not see it. */
function inWords({ name, values }: Series): string {
  const known = values.filter((value) => value !== null);
  const last = known.at(-1);
  if (last === undefined) {
    return `${name} not known yet`;
  }
  return `${name} ${formatCount(last)} now, at most ${formatCount(Math.max(...known))}`;
}
