import { formatDay, t } from "./locale.svelte";

type Validity = {
  effective_date?: string | null;
  effective_from: string;
  superseded_at?: string | null;
};

/** Since when a document is in force, and until when if it was superseded. */
export function formatValidity(document: Validity): string {
  const isFuture = new Date(document.effective_date ?? document.effective_from) > new Date();
  const day = formatDay(document.effective_date ?? document.effective_from);
  const since = document.effective_date
    ? t(isFuture ? "in force from {{day}}" : "in force since {{day}}", { day })
    : t("added on {{day}}", { day });
  return document.superseded_at
    ? t("{{since}}, superseded on {{day}}", { since, day: formatDay(document.superseded_at) })
    : since;
}
