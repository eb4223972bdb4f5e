import { Link } from "../lib/router";
import { buttonClass } from "./button";
import { PageHeading } from "./page-heading";

/** The page of an address that leads nowhere. */
export function NothingHere() {
  return (
    <div className="grid min-h-80 content-center justify-items-center gap-5 text-center">
      <PageHeading title="Nothing here" />
      <p className="text-lg text-muted">This address leads nowhere in the shop.</p>
      <Link href="/" className={buttonClass({ kind: "act" })}>
        See the sales
      </Link>
    </div>
  );
}
