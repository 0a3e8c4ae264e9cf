/** A number of documents, as words. */
export function countDocuments(count: number): string {
  return count === 1 ? "1 document" : `${count} documents`;
}
