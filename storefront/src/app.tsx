import { lazy, Suspense } from "react";
import { Route, Switch } from "wouter";

import { OrdersPage } from "./orders/orders-page";
import { ShopNav } from "./orders/shop-nav";
import { useOrderAnnouncements } from "./orders/use-order-announcements";
import { SalePage } from "./sales/sale-page";
import { SalesPage } from "./sales/sales-page";
import { ConnectionBanner } from "./ui/connection-banner";
import { Layout } from "./ui/layout";
import { NothingHere } from "./ui/nothing-here";
import { useFocusOnNavigation } from "./ui/use-focus-on-navigation";

const OperationsPage = lazy(() => import("./operations/page"));

/** Every page by its address. */
export function App() {
  return (
    <Switch>
      <Route path="/ops">
        <Suspense>
          <OperationsPage />
        </Suspense>
      </Route>
      <Route>
        <ShopPages />
      </Route>
    </Switch>
  );
}

function ShopPages() {
  useFocusOnNavigation();
  useOrderAnnouncements();
  return (
    <Layout nav={<ShopNav />} banner={<ConnectionBanner />}>
      <Switch>
        <Route path="/" component={SalesPage} />
        <Route path="/shop/:sale">{({ sale }) => <SalePage key={sale} name={sale} />}</Route>
        <Route path="/my-orders" component={OrdersPage} />
        <Route component={NothingHere} />
      </Switch>
    </Layout>
  );
}
