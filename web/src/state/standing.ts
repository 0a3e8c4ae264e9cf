/** Since when a document holds: the day that it says, or the day on which it was taken in. */
export function standing(document: { effective?: string | null; effective_from: string }): string {
  if (document.effective) {
    return `in force since ${new Date(document.effective).toLocaleDateString()}`;
  }
  return `taken in on ${new Date(document.effective_from).toLocaleDateString()}`;
}
