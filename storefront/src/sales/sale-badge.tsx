import { useCountdown } from "../shop/hooks";
import type { Sale, SaleStatus } from "../live/sale";
import { Badge, type Tone } from "../ui/elements";

const badges: Record<SaleStatus, readonly [Tone, string]> = {
  Scheduled: ["wait", "Opens soon"],
  Open: ["live", "Open now"],
  SoldOut: ["neutral", "Sold out"],
  Suspended: ["wait", "Paused"],
  Draining: ["neutral", "Sale over"],
  Closed: ["neutral", "Sale over"],
};

/** Where a sale stands, in two words or in the time that is left. */
export function SaleBadge({ sale }: { sale: Sale }) {
  const [tone, words] = badges[sale.status];
  return (
    <Badge tone={tone}>
      {sale.status === "Scheduled" && sale.opensAt !== null ? <OpensIn at={sale.opensAt} /> : words}
    </Badge>
  );
}

function OpensIn({ at }: { at: number }) {
  const { days, hours, minutes, seconds } = useCountdown(at);
  const clock = [hours, minutes, seconds].map((unit) => String(unit).padStart(2, "0")).join(":");
  return (
    <span className="tabular-nums">
      Opens in {days > 0 && `${days} d `}
      {clock}
    </span>
  );
}
