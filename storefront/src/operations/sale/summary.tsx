import { Badge, type Tone } from "../../ui/elements";
import { Chevron } from "../controls";
import { depthOf, isUndriven, type SaleFigures } from "../feed/figures";
import { formatCount } from "../../ui/format";
import { counted } from "../wording";
import { clockOf, stateWord } from "./clock";

const TONES: Readonly<Record<string, Tone>> = {
  Open: "good",
  SoldOut: "wait",
  Suspended: "bad",
  Draining: "wait",
};

interface SummaryProps {
  sale: SaleFigures;
  now: number;
  nameId: string;
  bodyId: string;
  isUnfolded: boolean;
  onToggle: () => void;
}

/** The line of a sale: its state and clock, what is left, what waits, and what is wrong. */
export function Summary({ sale, now, nameId, bodyId, isUnfolded, onToggle }: SummaryProps) {
  const undriven = sale.lanes.filter(isUndriven).length;
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2.5 tabular-nums">
      <h3>
        <button
          type="button"
          aria-expanded={isUnfolded}
          aria-controls={isUnfolded ? bodyId : undefined}
          onClick={onToggle}
          className="flex min-h-9 items-center gap-2 rounded-lg text-left text-lg font-semibold"
        >
          <Chevron isOpen={isUnfolded} />
          <span id={nameId} className="break-all">
            {sale.sale}
          </span>
        </button>
      </h3>
      <Badge tone={TONES[sale.status] ?? "neutral"}>{stateWord(sale.status)}</Badge>
      <span>{clockOf(sale, now)}</span>
      {undriven > 0 && <Badge tone="bad">{counted(undriven, "lane")} without driver</Badge>}
      {sale.deadLetters > 0 && <Badge tone="bad">{counted(sale.deadLetters, "dead letter")}</Badge>}
      <dl className="ml-auto flex flex-wrap gap-x-5 gap-y-1">
        <Figure name="left" value={stockLeft(sale)} />
        <Figure name="waiting" value={formatCount(depthOf(sale))} />
        <Figure name="confirmed/s" value={formatCount(sale.outcomes.confirmed)} />
      </dl>
    </div>
  );
}

/** Units left of all products; with a + where some are not known. */
function stockLeft({ lanes }: SaleFigures): string {
  const known = lanes.flatMap(({ stock }) => stock ?? []);
  if (known.length === 0 && lanes.length > 0) {
    return "unknown";
  }
  const left = formatCount(known.reduce((sum, stock) => sum + stock, 0));
  return known.length < lanes.length ? `${left} + ?` : left;
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div className="flex flex-row-reverse items-baseline gap-1.5">
      <dt className="text-muted">{name}</dt>
      <dd className="text-lg font-semibold">{value}</dd>
    </div>
  );
}
