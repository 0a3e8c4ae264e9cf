/** How long a place is held in view while the content above it is loaded. */
const HOLD_MS = 3000;
const userEvents = ["wheel", "touchstart", "pointerdown", "keydown"];

/** Scrolls to a place, and again when its surroundings change size, until the person scrolls. */
export function holdInView(place: Element, surroundings: Element, block: ScrollLogicalPosition) {
  const scroll = () => place.scrollIntoView({ block });
  const observer = new ResizeObserver(scroll);
  const end = () => {
    observer.disconnect();
    clearTimeout(timer);
    for (const name of userEvents) window.removeEventListener(name, end);
  };
  const timer = setTimeout(end, HOLD_MS);
  for (const name of userEvents) window.addEventListener(name, end, { passive: true });
  scroll();
  observer.observe(surroundings);
}
