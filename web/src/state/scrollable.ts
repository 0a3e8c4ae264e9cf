import { t } from "./locale.svelte";

/** Lets the keyboard scroll an element while it is wider than its place. */
export function scrollable(element: HTMLElement) {
  const observer = new ResizeObserver(() => {
    if (element.scrollWidth > element.clientWidth) {
      element.tabIndex = 0;
      element.setAttribute("role", "region");
      element.setAttribute("aria-label", t("Table"));
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) element.removeAttribute(name);
    }
  });
  observer.observe(element);
  return () => observer.disconnect();
}
