import { lazy, Suspense, useState } from "react";

import { ShopProvider } from "./shop/hooks";
import { createShop } from "./shop/shop";
import { OrdersPage } from "./orders/orders-page";
import { ShopNav } from "./orders/shop-nav";
import { useOrderAnnouncements } from "./orders/use-order-announcements";
import { after, usePath, useFocusOnNavigation } from "./lib/router";
import { SalePage } from "./sales/sale-page";
import { SalesPage } from "./sales/sales-page";
import { ConnectionBanner } from "./ui/connection-banner";
import { Layout } from "./ui/layout";
import { NothingHere } from "./ui/nothing-here";
import { PageHeading } from "./ui/page-heading";

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
