import js from "@eslint/js";
import jsxA11y from "eslint-plugin-jsx-a11y";
import reactHooks from "eslint-plugin-react-hooks";
import { defineConfig, globalIgnores } from "eslint/config";
import globals from "globals";
import tseslint from "typescript-eslint";

/** Folders of src/, from the lowest up: none imports from one that stands after it. */
const layers = [
  "lib",
  "server",
  "ui",
  "identity",
  "live",
  "pass",
  "buying",
  "shop",
  "sales",
  "orders",
  "operations",
];

const tests = "src/**/*.test.{ts,tsx}";

/** Keeps product files from test doubles, and from the folders `above` theirs. */
function mayNotImport(above) {
  const patterns = [
    { group: ["**/testing/**"], message: "Test doubles are for tests alone." },
    ...above.map((folder) => ({
      group: [`**/${folder}/**`],
      message: `src/${folder} stands above this folder; see the layers in eslint.config.js.`,
    })),
  ];
  return { "no-restricted-imports": ["error", { patterns }] };
}

export default defineConfig([
  globalIgnores(["dist", "playwright-report", "test-results", "src/server/schema.d.ts"]),
  {
    files: ["**/*.{ts,tsx}"],
    extends: [js.configs.recommended, tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
    },
  },
  {
    files: ["src/**/*.{ts,tsx}"],
    extends: [reactHooks.configs.flat.recommended, jsxA11y.flatConfigs.strict],
    languageOptions: { globals: globals.browser },
  },
  {
    files: ["src/**/*.{ts,tsx}"],
    ignores: ["src/testing/**", tests],
    rules: mayNotImport([]),
  },
  ...layers.map((layer, at) => ({
    files: [`src/${layer}/**/*.{ts,tsx}`],
    ignores: [tests],
    rules: mayNotImport(layers.slice(at + 1)),
  })),
  {
    files: ["**/*.js"],
    extends: [js.configs.recommended],
    languageOptions: { globals: globals.node },
  },
]);
