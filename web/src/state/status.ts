import { formatTime, t } from "./locale.svelte";

/** A text of the status of the appliance. Its times are in RFC 3339. */
export function describeStatus(text: string): string {
  const [, expiry] = text.match(/^valid until (\S+)$/) ?? [];
  return expiry ? t("valid until {{time}}", { time: formatTime(expiry) }) : t(text);
}
