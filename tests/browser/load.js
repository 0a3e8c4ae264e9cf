// Measures the first load of the interface on a slow computer: `node load.js`. The CPU is throttled six
// times (CDP `Emulation.setCPUThrottlingRate`), and the cache is empty.

import zlib from "node:zlib";
import { password } from "./appliance.js";
import { openBrowser, openPage, signIn } from "./browser.js";
import { startSite } from "./site.js";

const RATE = 6;
const RUNS = 5;

const cleanups = [];
const t = { after: (cleanup) => cleanups.unshift(cleanup) };
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Notes when the field takes the focus or can take it, and the tasks that block the page. */
function observe(selector) {
  window.blocked = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) window.blocked += Math.max(0, duration - 50);
  }).observe({ type: "longtask", buffered: true });
  const check = () => {
    if (document.querySelector(selector)) window.usableAt = performance.now();
    else requestAnimationFrame(check);
  };
  check();
}

/** Loads the start page, and returns milliseconds and bytes. */
async function load(page, selector) {
  const assets = [];
  const onResponse = (response) => {
    if (!response.url().includes("/api/")) assets.push(response.body().catch(() => Buffer.alloc(0)));
  };
  page.on("response", onResponse);
  await page.goto(`${page.appliance.url}/`);
  await page.waitForFunction(() => window.usableAt);
  await page.waitForTimeout(500);
  page.off("response", onResponse);
  const bodies = await Promise.all(assets);
  const { usableAt, blocked } = await page.evaluate(() => ({
    usableAt: window.usableAt,
    blocked: window.blocked,
  }));
  const size = (measure) => bodies.reduce((sum, body) => sum + measure(body), 0) / 1024;
  return {
    usableAt,
    blocked,
    kilobytes: size((body) => body.length),
    compressed: size((body) => zlib.gzipSync(body, { level: 9 }).length),
    requests: bodies.length,
  };
}

async function measure(page, name, selector, rate) {
  await page.addInitScript(observe, selector);
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Emulation.setCPUThrottlingRate", { rate });
  await cdp.send("Network.enable");
  const runs = [];
  for (let n = 0; n < RUNS; n += 1) {
    await page.goto("about:blank");
    await cdp.send("Network.clearBrowserCache");
    runs.push(await load(page, selector));
  }
  const of = (key) => Math.round(median(runs.map((run) => run[key])));
  console.log(
    `${name}, CPU 1/${rate}: usable after ${of("usableAt")} ms, blocked for ${of("blocked")} ms, ` +
      `${of("requests")} files, ${of("kilobytes")} KB, ${of("compressed")} KB with gzip`,
  );
}

try {
  const appliance = await startSite(t);
  const browser = await openBrowser(t);
  for (const rate of [1, RATE]) {
    const guest = await openPage(browser, appliance);
    await measure(guest, "sign-in page", "input[autocomplete=username]", rate);
    const nurse = await openPage(browser, appliance);
    await signIn(nurse, "nina", password);
    await measure(nurse, "question page", "#question", rate);
  }
} finally {
  for (const cleanup of cleanups) await cleanup();
}
