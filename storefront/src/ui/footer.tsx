import { MEASURE } from "./measure";

/** What the shop promises, at the foot of every page. */
export function Footer() {
  return (
    <footer className="border-t border-line py-10 text-sm text-muted">
      <div className={`${MEASURE} grid gap-6 sm:grid-cols-3`}>
        <p>
          <strong className="block text-ink">First come, first served.</strong>
          Places in line are given in the order presses arrive.
        </p>
        <p>
          <strong className="block text-ink">One press, one order.</strong>
          Pressing again, reloading or losing the network never buys twice.
        </p>
        <p>
          <strong className="block text-ink">Never sold twice.</strong>
          Every unit goes to one person, and sold out is said at once.
        </p>
      </div>
    </footer>
  );
}
