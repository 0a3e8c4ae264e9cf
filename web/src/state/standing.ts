type Standing = {
  effective?: string | null;
  effective_from: string;
  superseded_at?: string | null;
};

/** Since when a document holds, or from when, and until when where it no longer does. */
export function standing(document: Standing): string {
  const day = (moment: string) => new Date(moment).toLocaleDateString();
  const toCome = new Date(document.effective_from) > new Date();
  const since = document.effective
    ? `in force ${toCome ? "from" : "since"} ${day(document.effective)}`
    : `taken in on ${day(document.effective_from)}`;
  return document.superseded_at ? `${since}, superseded on ${day(document.superseded_at)}` : since;
}
