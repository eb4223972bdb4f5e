import { lazy, Suspense } from "react";

import { OrdersPage } from "./orders/orders-page";
import { ShopNav } from "./orders/shop-nav";
import { useOrderAnnouncements } from "./orders/use-order-announcements";
import { after, usePath } from "./routing/path";
import { useFocusOnNavigation } from "./routing/use-focus-on-navigation";
import { SalePage } from "./sales/sale-page";
import { SalesPage } from "./sales/sales-page";
import { ConnectionBanner } from "./ui/connection-banner";
import { Layout } from "./ui/layout";
import { NothingHere } from "./ui/nothing-here";

const OperationsPage = lazy(() => import("./operations/page"));

/** Every page by its address. */
export function App() {
  const path = usePath();
  return /^\/ops\/?$/.test(path) ? (
    <Suspense>
      <OperationsPage />
    </Suspense>
  ) : (
    <Shop path={path} />
  );
}

function Shop({ path }: { path: string }) {
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
