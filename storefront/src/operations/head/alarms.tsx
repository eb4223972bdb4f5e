import { useId } from "react";

import type { Alarm } from "../alarms";
import { counted } from "../wording";

/** More would push the sales off the screen. */
const SHOWN = 5;

/** What somebody should look at now. */
export function Alarms({ alarms }: { alarms: readonly Alarm[] }) {
  const heading = useId();
  if (alarms.length === 0) {
    return null;
  }
  return (
    <section
      aria-labelledby={heading}
      className="rounded-panel border border-bad bg-bad-wash px-4 py-3 text-bad"
    >
      <h2 id={heading} className="font-semibold">
        Needs attention
      </h2>
      <ul className="mt-1 grid gap-0.5 tabular-nums">
        {alarms.slice(0, SHOWN).map(({ key, sale, text }) => (
          <li key={key}>
            {sale !== null && <strong>{sale}: </strong>}
            {text}
          </li>
        ))}
        {alarms.length > SHOWN && <li>and {counted(alarms.length - SHOWN, "more alarm")}</li>}
      </ul>
    </section>
  );
}
