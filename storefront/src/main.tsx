import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./app";
import { ShopProvider } from "./live/provider";
import { createShop } from "./live/shop";
import "./styles.css";

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <ShopProvider shop={createShop()}>
        <App />
      </ShopProvider>
    </StrictMode>,
  );
}
