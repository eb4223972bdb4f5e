import { lazy, Suspense, useState } from "react";

// First: the bundle follows the order of imports, and compresses 0.3 kB better this way.
import { createShop } from "./shop/shop";
import { ShopProvider, useConnection } from "./shop/hooks";
import { after, Link, useFocusOnNavigation, usePath } from "./lib/router";
import { OrdersPage } from "./orders/orders-page";
import { ShopNav } from "./orders/shop-nav";
import { useOrderAnnouncements } from "./orders/use-order-announcements";
import { SalePage } from "./sales/sale-page";
import { SalesPage } from "./sales/sales-page";
import { buttonClass } from "./ui/elements";
import { Layout, MEASURE, PageHeading } from "./ui/layout";

// During an update the gateway asked may not have the part that this page was built with.
const OperationsPage = lazy(() =>
  import("./operations/page").catch(() => ({
    default: () => <Operations>This page could not be loaded. Please load it again.</Operations>,
  })),
);

/** Every page by its address. */
export function App() {
  const path = usePath();
  return /^\/ops\/?$/.test(path) ? (
    <Suspense fallback={<Operations>Loading…</Operations>}>
      <OperationsPage />
    </Suspense>
  ) : (
    <Shop path={path} />
  );
}

/** In place of the operations page as long as it is not there. */
function Operations({ children }: { children: string }) {
  return (
    <main className="p-6">
      <PageHeading title="Operations" />
      <p>{children}</p>
    </main>
  );
}

/** The shop runs while one of its pages is shown; the token in the address of /ops is not for it. */
function Shop({ path }: { path: string }) {
  const [shop] = useState(() => createShop());
  return (
    <ShopProvider shop={shop}>
      <ShopPages path={path} />
    </ShopProvider>
  );
}

function ShopPages({ path }: { path: string }) {
  useFocusOnNavigation(path);
  useOrderAnnouncements();
  return (
    <Layout nav={<ShopNav />} banner={<ConnectionBanner />}>
      <Page path={path} />
    </Layout>
  );
}

function Page({ path }: { path: string }) {
  const sale = after("/shop/", path);
  if (sale !== null) {
    return <SalePage key={sale} name={sale} />;
  }
  switch (path.replace(/\/$/, "")) {
    case "":
      return <SalesPage />;
    case "/my-orders":
      return <OrdersPage />;
    default:
      return <NothingHere />;
  }
}

/** Says when the page hears nothing any more; the place it takes is always there to be read. */
function ConnectionBanner() {
  const isOffline = useConnection() === "offline";
  return (
    <div role="status" className="sticky top-0 z-10">
      {isOffline && (
        <p className="absolute inset-x-0 top-0 animate-appear bg-wait-wash text-sm font-semibold text-wait">
          <span className={`${MEASURE} flex min-h-8 items-center gap-3`}>
            <span className="size-2 animate-breathe rounded-full bg-wait" />
            Connection lost. Trying again…
          </span>
        </p>
      )}
    </div>
  );
}

/** The page of an address that leads nowhere. */
function NothingHere() {
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
