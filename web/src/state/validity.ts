type Validity = {
  effective_date?: string | null;
  effective_from: string;
  superseded_at?: string | null;
};

/** Since when a document is in force, and until when if it was superseded. */
export function formatValidity(document: Validity): string {
  const formatDay = (time: string) => new Date(time).toLocaleDateString();
  const isFuture = new Date(document.effective_from) > new Date();
  const since = document.effective_date
    ? `in force ${isFuture ? "from" : "since"} ${formatDay(document.effective_date)}`
    : `added on ${formatDay(document.effective_from)}`;
  return document.superseded_at
    ? `${since}, superseded on ${formatDay(document.superseded_at)}`
    : since;
}
