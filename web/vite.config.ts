import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

/** What the first page needs, in one file, because each file costs a slow computer time. */
const firstLoad = {
  name: "common",
  test: /\/node_modules\/(svelte|i18next|esm-env|clsx)\/|\/src\/api\/|\/src\/state\/(?!activity|audit|files|find|search|sentences|table|tasks|uploads)|\/components\/(EnrolSecondFactor|Notice|PageImage|PageText|QueryExpansions|QrCode|RecoveryCodes)/,
};

// `npm run dev` serves the sources with hot reload, and passes API requests to a running appliance.
export default defineConfig({
  plugins: [svelte()],
  build: {
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { output: { codeSplitting: { groups: [firstLoad] } } },
  },
  server: { proxy: { "/api": { target: "https://127.0.0.1:8443", secure: false } } },
  // The tests use the state of Svelte as browsers do.
  resolve: process.env.VITEST ? { conditions: ["browser"] } : {},
  test: { environment: "happy-dom", include: ["src/**/*.test.ts"], restoreMocks: true },
});
