import { isPending } from "../buying/buy";
import { useBuys, useSession } from "../shop/hooks";
import { Link } from "../lib/router";
import { Button } from "../ui/elements";

/** The right of the header: the way to the orders, and who is signed in. */
export function ShopNav() {
  const pending = useBuys().filter(isPending).length;
  return (
    <nav aria-label="Shop" className="-mr-2 flex items-center gap-1 sm:gap-3">
      <Link
        href="/my-orders"
        className="inline-flex min-h-11 items-center gap-2 rounded-control px-2 font-semibold hover:underline hover:underline-offset-4"
      >
        My orders
        {pending > 0 && (
          <span className="grid h-6 min-w-6 place-items-center rounded-full bg-act px-1.5 text-sm text-act-ink tabular-nums">
            {pending}
            <span className="sr-only"> in line</span>
          </span>
        )}
      </Link>
      <Account />
    </nav>
  );
}

function Account() {
  const { auth, userId, signInUrl, needsSignIn, signIn, signOut } = useSession();
  if (auth !== "jwt") {
    return null;
  }
  if (needsSignIn) {
    return signInUrl === null ? null : (
      <Button size="small" onClick={signIn}>
        Sign in
      </Button>
    );
  }
  return (
    <>
      <span className="hidden max-w-40 truncate text-sm text-muted sm:block">{userId}</span>
      <Button kind="quiet" size="small" onClick={signOut}>
        Sign out
      </Button>
    </>
  );
}
