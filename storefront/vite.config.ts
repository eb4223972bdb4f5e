import { fileURLToPath } from "node:url";
import { constants } from "node:zlib";

import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { compression, defineAlgorithm } from "vite-plugin-compression2";

/** The gateway that `npm run dev` passes requests on to. */
const gateway = process.env["GATEWAY"] ?? "http://127.0.0.1:8080";

const noWebTransport = fileURLToPath(new URL("src/live/no-webtransport.ts", import.meta.url));

const passedOn = ["/buy", "/orders", "/sales", "/session", "/pass", "/operations", "/openapi.json"];

export default defineConfig({
  plugins: [
    react(),
    tailwindcss(),
    // The gateway sends these as they are; it compresses nothing of the shop itself.
    compression({
      include: /\.(html|js|css|svg|json|txt|webmanifest)$/,
      threshold: 512,
      algorithms: [
        defineAlgorithm("brotliCompress", {
          params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY },
        }),
        defineAlgorithm("gzip", { level: constants.Z_BEST_COMPRESSION }),
      ],
    }),
  ],
  resolve: {
    // The shop's socket has two transports; the client's third one would be a part of the first load.
    alias: [{ find: /^\.\/webtransport\.js$/, replacement: noWebTransport }],
  },
  build: {
    // The Content-Security-Policy of the gateway allows nothing inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: {
      ...Object.fromEntries(passedOn.map((path) => [`^${path}($|[/?])`, { target: gateway }])),
      "/socket.io": { target: gateway, ws: true },
    },
  },
});
